namespace Dma.Properties;

/// <summary>What a guest changes in its schedules next.</summary>
internal enum WorkAct
{
    /// <summary>A bulk queue comes.</summary>
    AddQueue,

    /// <summary>Transfers are appended to a bulk queue.</summary>
    Append,

    /// <summary>Transfers are appended to an interrupt queue.</summary>
    AppendPeriodic,

    /// <summary>A bulk queue is taken out with all that it has, and its memory used for something else.</summary>
    Cancel,

    /// <summary>A bulk queue is taken out and put back at another place.</summary>
    Relink,

    /// <summary>An isochronous descriptor comes.</summary>
    AddFrame,

    /// <summary>An isochronous descriptor is moved to another frame.</summary>
    MoveFrame,

    /// <summary>An isochronous descriptor is taken out of its frame.</summary>
    RemoveFrame,
}

/// <summary>A change, and how long nothing happens after it.</summary>
/// <param name="Act">What it is.</param>
/// <param name="First">Where, 0 to 1023.</param>
/// <param name="Second">How much; and for how long, 0 to 255 times 8 µs.</param>
internal readonly record struct WorkStep(WorkAct Act, int First, int Second);
