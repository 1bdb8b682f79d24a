using Dma.Machine;
using Microsoft.Win32.SafeHandles;

namespace Dma.Lab;

/// <summary>One interrupt of the function, as a client has set it: an event that it signals, and whether it is masked.</summary>
internal sealed class ClientVector
{
    private SafeFileHandle? _event;

    /// <summary>What it signals; null for nothing. What was there before is closed.</summary>
    public SafeFileHandle? Event
    {
        get => _event;
        set
        {
            _event?.Dispose();
            _event = value;
        }
    }

    /// <summary>Whether it waits until it is unmasked.</summary>
    public bool IsMasked { get; set; }

    /// <summary>Whether it came while it was masked.</summary>
    public bool IsPending { get; set; }

    /// <summary>Signals the event, whatever the mask says.</summary>
    /// <returns><c>false</c> where nobody can be told.</returns>
    public bool Signal() => _event is { } known && UnixDescriptors.TrySignal(known);

    /// <summary>Back to nothing assigned, nothing masked.</summary>
    public void Clear() => (Event, IsMasked, IsPending) = (null, false, false);
}
