namespace Dma.Lab;

/// <summary>What the VMs that share a controller do at the same time, each with one device.</summary>
internal enum SharingWorkload
{
    /// <summary>Each VM has the device of another kind of work, in turn: a disk, a microphone, a keyboard, and so on.</summary>
    Mix,

    /// <summary>Each VM reads its disk, as fast as it can.</summary>
    Bulk,

    /// <summary>Each VM has a keyboard, on which somebody types.</summary>
    Keyboard,

    /// <summary>Each VM records sound from its microphone.</summary>
    Audio,

    /// <summary>Each VM has a camera whose pictures take half of what a bus may promise: more than two do not fit.</summary>
    Video,
}
