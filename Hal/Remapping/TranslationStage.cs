namespace Dma.Hal;

/// <summary>The stage of a remapping unit by which the tables of a domain translate.</summary>
public enum TranslationStage
{
    /// <summary>The second stage: the tables that legacy mode has, and that stand below a guest's own in nested translation.</summary>
    Second,

    /// <summary>The first stage: tables in the format of the processor; scalable mode alone has it.</summary>
    First,
}
