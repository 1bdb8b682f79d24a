using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Sees whose packets are on the bus in each of the last microframes, by the addresses that the VMM gave to devices.</summary>
/// <param name="machine">The computer.</param>
/// <param name="sharing">Who knows the addresses.</param>
internal sealed class MergedBusWatch(MergedMachine machine, MergedUsbController sharing) : IPacketObserver
{
    /// <summary>Microframes that are kept.</summary>
    public const int Columns = 96;

    private readonly int[,] _packets = new int[machine.Machines.Count, Columns];
    private readonly TimelineTrack[] _tracks = machine.Timeline is { } timeline ? [.. machine.Machines.Select(vm => timeline.Track("bus", vm.Name))] : [];
    private ulong _microframe;

    /// <inheritdoc/>
    public void Transaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake)
    {
        if (sharing.OwnerOf(token.IsSplit ? token.Split.HubAddress : token.Address) is not { } owner)
            return;
        Move(machine.Controller.Usb.Frames.Count(machine.Host.Loop.NowNs));
        int number = owner.Number;
        _packets[number, _microframe % Columns]++;
        if (_tracks.Length != 0)
            machine.Timeline!.Slice(_tracks[number], $"{token.Pid} endpoint {token.Endpoint}", machine.Host.Loop.NowNs, WireTime.HighSpeed(data.Length));
    }

    /// <summary>A line for each VM, a column for each microframe, the last one at the end.</summary>
    public IReadOnlyList<string> Strip()
    {
        Move(machine.Controller.Usb.Frames.Count(machine.Host.Loop.NowNs));
        return [.. Enumerable.Range(0, machine.Machines.Count).Select(Line)];
    }

    private string Line(int number) => string.Concat(Enumerable.Range(1, Columns).Select(column => _packets[number, ((int)(_microframe % Columns) + column) % Columns] switch
    {
        0 => ' ',
        1 => '▪',
        _ => '█',
    }));

    private void Move(ulong microframe)
    {
        for (ulong passed = Math.Max(_microframe + 1, microframe < Columns ? 0 : microframe - Columns + 1); passed <= microframe; passed++)
        {
            for (int number = 0; number < machine.Machines.Count; number++)
                _packets[number, passed % Columns] = 0;
        }

        _microframe = microframe;
    }
}
