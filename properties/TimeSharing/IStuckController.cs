namespace Dma.Properties;

/// <summary>A controller that can be made to hang.</summary>
internal interface IStuckController
{
    /// <summary>What it does not do at the moment.</summary>
    Stuck Stuck { get; set; }
}
