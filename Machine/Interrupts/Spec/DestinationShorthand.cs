namespace Dma.Machine;

/// <summary>Who gets an interrupt that a processor sends (Intel SDM volume 3, 11.6.1, destination shorthand).</summary>
public enum DestinationShorthand
{
    /// <summary>The destination.</summary>
    None = 0,

    /// <summary>The sender.</summary>
    Self = 1,

    /// <summary>Everybody.</summary>
    All = 2,

    /// <summary>Everybody but the sender.</summary>
    Others = 3,
}
