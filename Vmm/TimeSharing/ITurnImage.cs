namespace Dma.Vmm;

/// <summary>The registers of a controller as a VM sees them: an image while it has no turn, and what lies over the real ones while it has one.</summary>
/// <remarks>
/// <code>
///   turn ends     Capture    Save    Complete        what the guest does from Capture on goes into the image
///   turn begins   Prepare    Load                    from Load on the guest finds the controller
/// </code>
/// </remarks>
internal interface ITurnImage
{
    /// <summary>The root ports of the VM, a bit for each.</summary>
    uint Ports { get; }

    /// <summary>Whether the VM has work, as far as its registers tell.</summary>
    bool HasDemand { get; }

    /// <summary>Whether the controller could do anything for the VM, with work or without.</summary>
    bool NeedsController { get; }

    /// <summary>Whether nothing lies over the registers of the controller: then the guest may have them without an exit.</summary>
    bool IsClear { get; }

    /// <summary>What the state region holds.</summary>
    IControllerState Saved { get; }

    /// <summary>A read by the guest while it has no turn.</summary>
    ulong Read(ulong offset, int width);

    /// <summary>A write by the guest while it has no turn.</summary>
    void Write(ulong offset, int width, ulong value);

    /// <summary>A read by the guest during its turn.</summary>
    ulong ReadThrough(ulong offset, int width);

    /// <summary>A write by the guest during its turn.</summary>
    void WriteThrough(ulong offset, int width, ulong value);

    /// <summary>Without a turn: sees what time and the ports did. During a turn: sees whether something still lies over the registers.</summary>
    /// <param name="hasTurn">Whether the VM has its turn.</param>
    void Settle(bool hasTurn);

    /// <summary>Writes the image into the state region.</summary>
    void Store();

    /// <summary>The turn ends. What the controller reports until <see cref="Complete"/> is added.</summary>
    void Capture();

    /// <summary>The controller, which stands still, saves what it can save by itself.</summary>
    /// <returns><c>false</c> where it could not.</returns>
    ValueTask<bool> Save(TurnPace pace);

    /// <summary>The controller stands still: what it reported since <see cref="Capture"/> is the VM's.</summary>
    /// <param name="hasFailed">Whether it did not come to a stop, or not save its state, by itself.</param>
    void Complete(bool hasFailed);

    /// <summary>The turn is near: the image comes out of the state region, and the controller, which was reset, takes back what it saved by itself.</summary>
    /// <param name="pace">How the VMM waits.</param>
    /// <param name="withState">Whether the controller takes anything back.</param>
    /// <param name="withClock">Whether the frame index goes on where it would be; where not, it is that of the time of the save.</param>
    /// <returns><c>false</c> where the controller refused: the guest finds that it has failed.</returns>
    ValueTask<bool> Prepare(TurnPace pace, bool withState, bool withClock);

    /// <summary>How long until a microframe of the VM begins, in nanoseconds; 0 where its clock stands.</summary>
    ulong ToMicroframeNs();

    /// <summary>The turn begins: the controller, whose gates are all closed, gets the registers of the VM, and runs where the VM lets it.</summary>
    void Load();
}
