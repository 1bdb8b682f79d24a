using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Reads a USB disk of the host by bulk-only exchanges, with the data where somebody else puts it.</summary>
internal sealed class HostDiskReader
{
    private const int BlockBytes = 512;

    private readonly HostUsbDevice _device;
    private readonly byte _in;
    private readonly byte _out;
    private uint _tag;

    private HostDiskReader(HostUsbDevice device)
    {
        _device = device;
        byte[] bulk = [.. Enumerable.Range(1, 15).SelectMany(number => (byte[])[(byte)number, (byte)(number | 0x80)]).Where(address => device.TypeOf(address) == TransferType.Bulk)];
        (_in, _out) = (bulk.First(address => address >= 0x80), bulk.First(address => address < 0x80));
    }

    /// <summary>Resets the device and chooses its configuration.</summary>
    /// <exception cref="InvalidOperationException">It is no disk, or does not answer.</exception>
    public static async Task<HostDiskReader> Open(HostUsbDevice device)
    {
        SetupPacket setup = new() { Request = (byte)StandardRequest.SetConfiguration, Value = 1 };
        if (!await device.Reset() || (await device.Request(setup, null)).Status != HostUsbStatus.Completed)
            throw new InvalidOperationException($"{device.Name} does not answer.");
        HostDiskReader reader = new(device);

        // A disk that was reset says so once, to the first command.
        _ = await reader.Exchange(new CommandBlock10 { Operation = ScsiOperation.TestUnitReady }.Block, 6, 0, static (_, _) => new(new HostUsbResult(HostUsbStatus.Completed, 0)));
        return reader;
    }

    /// <summary>Reads blocks.</summary>
    /// <param name="block">The first.</param>
    /// <param name="length">Bytes, a multiple of 512.</param>
    /// <param name="move">Moves the data: given the device and its bulk IN endpoint.</param>
    /// <returns>Whether the device says that all went well.</returns>
    public Task<bool> Read(uint block, int length, Func<IHostUsbDevice, byte, ValueTask<HostUsbResult>> move)
    {
        CommandBlock10 read = new() { Operation = ScsiOperation.Read10, LogicalBlock = block, Length = (ushort)(length / BlockBytes) };
        return Exchange(read.Block, 10, length, move);
    }

    private async Task<bool> Exchange(CommandBlock block, int blockLength, int length, Func<IHostUsbDevice, byte, ValueTask<HostUsbResult>> move)
    {
        CommandBlockWrapper command = new()
        {
            Signature = CommandBlockWrapper.ValidSignature,
            Tag = ++_tag,
            DataLength = (uint)length,
            In = length != 0,
            CommandLength = blockLength,
            Command = block,
        };
        HostUsbBuffer buffer = await _device.Controller.TryAllocate(CommandBlockWrapper.Size) ?? throw new InvalidOperationException("The host has no buffer.");
        buffer.Memory!.Write(0, Packed.ToArray(command, CommandBlockWrapper.Size));
        HostUsbResult sent = await _device.Transfer(_out, buffer);
        HostUsbResult moved = await move(_device, _in);
        if (moved.Status == HostUsbStatus.Stalled)
            await ClearHalt();
        HostUsbResult ended = await _device.Transfer(_in, buffer with { Length = CommandStatusWrapper.Size });
        byte[] status = new byte[CommandStatusWrapper.Size];
        buffer.Memory!.Read(0, status);
        await _device.Controller.Release(buffer);
        CommandStatusWrapper wrapper = Packed.Read<CommandStatusWrapper>(status);
        return sent.Status == HostUsbStatus.Completed && moved == new HostUsbResult(HostUsbStatus.Completed, length) && ended.Bytes == CommandStatusWrapper.Size
            && wrapper.Signature == CommandStatusWrapper.ValidSignature && wrapper.Tag == _tag && wrapper.Status == CommandStatus.Passed;
    }

    private async Task ClearHalt()
    {
        SetupPacket setup = new()
        {
            Recipient = RequestRecipient.Endpoint,
            Request = (byte)StandardRequest.ClearFeature,
            Value = (ushort)FeatureSelector.EndpointHalt,
            Index = _in,
        };
        _ = await _device.Request(setup, null);
    }
}
