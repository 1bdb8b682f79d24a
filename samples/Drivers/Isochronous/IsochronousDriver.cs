using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>Keeps a device busy that has one isochronous endpoint in each setting of its first interface, and counts the turns that were missed.</summary>
public sealed class IsochronousDriver
{
    // Two transfers of 8 ms: while one is under way, the other one is queued. Where a transfer cannot be as long, there are more of them.
    private const int TransfersMin = 2;
    private const ulong TransferNs = 8_000_000;

    private readonly UsbDeviceHandle _device;
    private IUsbIsochronousPipe? _pipe;
    private bool _isOver;
    private Task[] _movers = [];

    private IsochronousDriver(UsbDeviceHandle device) => _device = device;

    /// <summary>Turns that were due since the setting was chosen.</summary>
    public ulong Due { get; private set; }

    /// <summary>Those in which nothing was moved.</summary>
    public ulong Missed { get; private set; }

    /// <summary>Bytes that were moved.</summary>
    public ulong Bytes { get; private set; }

    /// <summary>The setting that is in use; 0 moves nothing.</summary>
    public byte Setting { get; private set; }

    /// <summary>Opens a device.</summary>
    public static IsochronousDriver Open(UsbDeviceHandle device) => new(device);

    /// <summary>Chooses a setting, and begins to move data in it. What was moved in the one before is not waited for.</summary>
    /// <param name="setting">bAlternateSetting; 0 moves nothing.</param>
    /// <exception cref="DriverException">The host has no time for it, or the device does not take it; then nothing is moved.</exception>
    public async ValueTask Choose(byte setting)
    {
        await Halt();
        UsbInterface? chosen = _device.Configuration.Interfaces.FirstOrDefault(face => face.Descriptor.Number == 0 && face.Descriptor.AlternateSetting == setting);
        try
        {
            // The host's books come first; then the device, and whoever else has a say.
            _pipe = chosen is { Endpoints.Count: not 0 } ? await _device.Connection.OpenIsochronous(chosen.Endpoints[0]) : null;
            await _device.SetInterface(0, setting);
        }
        catch (DriverException)
        {
            await Halt();
            await TurnOff();
            throw;
        }

        (Setting, Due, Missed, Bytes, _isOver) = (setting, 0, 0, 0, false);
        if (_pipe is not { } pipe)
            return;
        int wanted = (int)Math.Max(TransferNs / pipe.IntervalNs, 1);
        int count = Math.Max(Math.Min(wanted, pipe.PacketsMax) / pipe.PacketMultiple, 1) * pipe.PacketMultiple;
        int transfers = Math.Max(TransfersMin, TransfersMin * wanted / count);
        _movers = [.. Enumerable.Range(0, transfers).Select(_ => Move(pipe, count))];
    }

    /// <summary>Lets go of the endpoint. The device stays in its setting.</summary>
    public async ValueTask Halt()
    {
        _isOver = true;
        if (_pipe is { } pipe)
            await pipe.Close();
        await Task.WhenAll(_movers);
        (_pipe, _movers) = (null, []);
    }

    // What cannot be had in full is not had at all. A device that is gone moves nothing either.
    private async ValueTask TurnOff()
    {
        Setting = 0;
        _ = await _device.Request(RequestType.Standard, RequestRecipient.Interface, (byte)StandardRequest.SetInterface, 0, 0);
    }

    private async Task Move(IUsbIsochronousPipe pipe, int count)
    {
        IDmaSpace memory = _device.Controller.Memory;
        MemoryBuffer buffer = memory.Allocate(count * pipe.PacketBytesMax);
        DmaMapResult mapped = await memory.Map(buffer, DmaDirection.Bidirectional);
        while (mapped.IsMapped && !_isOver && !_device.Controller.HasStopped)
        {
            IsochronousPacket[] packets = [.. Enumerable.Range(0, count).Select(index => new IsochronousPacket(index * pipe.PacketBytesMax, pipe.PacketBytesMax))];
            IsochronousResult result = await pipe.Transfer(mapped.Mapping, packets);
            if (result.Status == TransferStatus.Completed && !_isOver)
                Count(packets, result.IntervalsSkipped);
            else
                break;
        }

        if (mapped.IsMapped)
            (await memory.Unmap(mapped.Mapping)).Require("unmap the buffer of a stream");
        memory.Free(buffer).Require("free the buffer of a stream");
    }

    private void Count(ReadOnlySpan<IsochronousPacket> packets, int skipped)
    {
        Due += (ulong)(packets.Length + skipped);
        Missed += (ulong)skipped;
        foreach (IsochronousPacket packet in packets)
        {
            Missed += packet.Status == TransferStatus.Completed ? 0u : 1u;
            Bytes += (ulong)packet.Moved;
        }
    }
}
