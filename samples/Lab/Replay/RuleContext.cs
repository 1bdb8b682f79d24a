namespace Dma.Lab;

/// <summary>What a condition of a rule is asked of.</summary>
/// <param name="State">What the script has done.</param>
/// <param name="Step">The step whose answer differs.</param>
/// <param name="Path">The entries that its access leads through; those of address 0 where it makes none.</param>
/// <param name="Data">What a device read.</param>
internal sealed record RuleContext(ScriptState State, RecordedStep Step, TablePath Path, byte[] Data)
{
    /// <summary>The interrupt that the step asks for; null where it asks for none.</summary>
    public InterruptPath? Interrupt { get; } = InterruptPath.Of(Step, State);

    /// <summary>What software last wrote to a register.</summary>
    public ulong Written(string register)
    {
        RegisterNames names = new(State.Hardware);
        (string _, int offset, int width) = names.At(names.OffsetOf(register));
        return State.Written(offset, width);
    }

    /// <summary>Whether all conditions of a rule hold.</summary>
    public bool Meets(DeviationRule rule) => rule.When.All(condition => RuleConditions.Holds(condition, this));
}
