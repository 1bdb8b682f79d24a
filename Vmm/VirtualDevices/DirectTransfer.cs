using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>A transfer of the host that goes straight from or to memory of the guest, where the guest's own transfer wants it.</summary>
/// <remarks>
/// While it runs, its pages are pinned. The guest has its memory back when its controller says so, and that waits for transfers that are leaving:
/// those that were called off, whose port was reset, or that nobody asks about any more.
/// </remarks>
internal sealed class DirectTransfer
{
    private readonly PassthroughLink _link;
    private readonly UserLevelMonitor _monitor;
    private readonly Func<bool> _isCalledOff;
    private ScatterList? _list;
    private UsbBus? _bus;

    /// <summary>One that stands for no transfer yet.</summary>
    /// <param name="link">The device of the host.</param>
    public DirectTransfer(PassthroughLink link)
    {
        (_link, _monitor) = (link, link.Direct!);
        _isCalledOff = () => IsLeaving;
    }

    /// <summary>Whether the host has it.</summary>
    public bool IsRunning { get; private set; }

    /// <summary>The round of the controller in which it was asked about last.</summary>
    public uint PolledIn { get; private set; }

    /// <summary>Whether the memory is wanted back while it runs.</summary>
    public bool IsLeaving { get; private set; }

    /// <summary>It stands for a transfer of the guest from now on.</summary>
    /// <param name="pages">Where the bytes lie, in a row.</param>
    /// <param name="bus">The bus of the guest's controller.</param>
    public void Begin(TransferPages pages, UsbBus bus)
    {
        // A buffer that is used again is known already.
        GuestPhysicalAddress start = new(pages.Start.Value);
        if (_list is null || _list.Start != start || _list.Length != pages.Bytes)
            _list = _monitor.Gather(start, pages.Bytes);
        (_bus, IsRunning, IsLeaving) = (bus, true, false);
        Polled();
    }

    /// <summary>The controller asks about it.</summary>
    public void Polled() => PolledIn = _bus!.Round;

    /// <summary>Whether the rest of a transfer lies where this one has it.</summary>
    /// <param name="done">Bytes before it.</param>
    /// <param name="pages">Where the guest has the rest.</param>
    public bool IsAt(int done, TransferPages pages) => pages.AreInRow && pages.Start.Value == _list!.Start.Value + (ulong)done;

    /// <summary>Moves the data.</summary>
    /// <param name="endpoint">bEndpointAddress.</param>
    public ValueTask<HostUsbResult> Run(byte endpoint) => _monitor.Transfers.Direct(_link.Device, endpoint, _list!, _isCalledOff);

    /// <summary>The memory is wanted back.</summary>
    /// <returns>Whether it runs, and nobody wanted that before.</returns>
    public bool Leave()
    {
        if (!IsRunning || IsLeaving)
            return false;
        IsLeaving = true;
        _bus!.Leaving++;
        return true;
    }

    /// <summary>It is over; the guest can have its memory back.</summary>
    public void End()
    {
        IsRunning = false;
        if (IsLeaving)
            _bus!.Leaving--;
    }

    /// <summary>Reads what came.</summary>
    /// <param name="offset">From which byte on.</param>
    /// <param name="bytes">Room for it.</param>
    public void Read(int offset, Span<byte> bytes) => _ = _monitor.Read(_list!.Start + (ulong)offset, bytes);
}
