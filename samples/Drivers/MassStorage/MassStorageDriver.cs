using System.Buffers.Binary;
using System.Text;
using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>A disk behind the bulk-only transport: logical unit 0, read and written by blocks.</summary>
public sealed class MassStorageDriver
{
    /// <summary>The most that one command moves, in bytes; a transfer of this length keeps the bus busy without a pause.</summary>
    public const int MaxCommandBytes = 256 * 1024;

    private const int AttemptsMax = 4;
    private const ulong NotReadyPauseNs = 100_000_000;
    private const int InquiryBytes = 36;

    private readonly UsbDeviceHandle _device;
    private readonly BulkOnlyTransport _transport;
    private readonly MemoryBuffer _answers;

    private MassStorageDriver(UsbDeviceHandle device, BulkOnlyTransport transport)
    {
        _device = device;
        _transport = transport;
        _answers = device.Controller.Memory.Allocate(4096);
    }

    /// <summary>Who made it and what it is, as the device says.</summary>
    public string Name { get; private set; } = "";

    /// <summary>How many blocks it has.</summary>
    public ulong BlockCount { get; private set; }

    /// <summary>Bytes in a block.</summary>
    public int BlockBytes { get; private set; }

    /// <summary>The highest logical unit; only unit 0 is used.</summary>
    public int MaxLun { get; private set; }

    /// <summary>Finds out what the disk is, and waits until it is ready.</summary>
    /// <exception cref="DriverException">It is no disk that this driver knows, or does not become ready.</exception>
    public static async ValueTask<MassStorageDriver> Start(UsbDeviceHandle device)
    {
        MassStorageDriver disk = new(device, await BulkOnlyTransport.Open(device));
        try
        {
            disk.MaxLun = await disk._transport.GetMaxLun();
            await disk.Inquire();
            await disk.Command(new byte[6], "TEST UNIT READY");
            await disk.ReadCapacity();
            return disk;
        }
        catch (DriverException)
        {
            await disk.Stop();
            throw;
        }
    }

    /// <summary>Lets go of the disk; the device stays enumerated.</summary>
    public async ValueTask Stop()
    {
        _device.Controller.Memory.Free(_answers).Require("free the buffer of answers");
        await _transport.Release();
    }

    /// <summary>Reads blocks by DMA into a buffer.</summary>
    /// <param name="firstBlock">The first block.</param>
    /// <param name="destination">Where they go; a whole number of blocks, none of them behind the end of the disk.</param>
    /// <exception cref="DriverException">The disk does not have them, or could not read them.</exception>
    public ValueTask Read(ulong firstBlock, MemoryBuffer destination) => Move(firstBlock, destination, isIn: true);

    /// <summary>Writes blocks by DMA out of a buffer.</summary>
    /// <inheritdoc cref="Read"/>
    public ValueTask Write(ulong firstBlock, MemoryBuffer source) => Move(firstBlock, source, isIn: false);

    private async ValueTask Move(ulong firstBlock, MemoryBuffer buffer, bool isIn)
    {
        ulong blocks = (ulong)(buffer.Length / BlockBytes);
        if (buffer.Length % BlockBytes != 0 || blocks > BlockCount || firstBlock > BlockCount - blocks)
            throw new DriverException(DriverFailure.BadGeometry, $"Blocks {firstBlock} to {firstBlock + blocks} of a disk of {BlockCount}.");

        DmaMapping mapping = await Map(buffer, isIn ? DmaDirection.FromDevice : DmaDirection.ToDevice);
        try
        {
            int step = MaxCommandBytes - MaxCommandBytes % BlockBytes;
            for (int done = 0; done < buffer.Length; done += step)
            {
                int bytes = Math.Min(step, buffer.Length - done);
                DmaMapping part = new(mapping.DeviceAddress + (ulong)done, bytes, mapping.Direction);
                ulong block = firstBlock + (ulong)(done / BlockBytes);
                int moved = await Command(ReadOrWrite(block, bytes / BlockBytes, isIn), isIn ? "READ" : "WRITE", part, isIn);
                if (moved != bytes)
                    throw new DriverException(DriverFailure.ProtocolError, $"Of {bytes} bytes at block {block} the device moved {moved}.");
            }
        }
        finally
        {
            (await _device.Controller.Memory.Unmap(mapping)).Require("unmap a data buffer");
        }
    }

    private static byte[] ReadOrWrite(ulong block, int blocks, bool isIn)
    {
        byte[] command;
        if (block + (ulong)blocks <= uint.MaxValue)
        {
            command = new byte[10];
            command[0] = (byte)(isIn ? ScsiOperation.Read10 : ScsiOperation.Write10);
            BinaryPrimitives.WriteUInt32BigEndian(command.AsSpan(2), (uint)block);
            BinaryPrimitives.WriteUInt16BigEndian(command.AsSpan(7), (ushort)blocks);
            return command;
        }

        command = new byte[16];
        command[0] = (byte)(isIn ? ScsiOperation.Read16 : ScsiOperation.Write16);
        BinaryPrimitives.WriteUInt64BigEndian(command.AsSpan(2), block);
        BinaryPrimitives.WriteUInt32BigEndian(command.AsSpan(10), (uint)blocks);
        return command;
    }

    private async ValueTask Inquire()
    {
        byte[] answer = await Ask([(byte)ScsiOperation.Inquiry, 0, 0, 0, InquiryBytes, 0], InquiryBytes, "INQUIRY");

        // Qualifier 0 and type 0: a disk, and it is there.
        if (answer[0] != 0)
            throw new DriverException(DriverFailure.BadDescriptor, $"Peripheral type {answer[0]:X2}h is no disk.");
        Name = $"{Printable(answer.AsSpan(8, 8))} {Printable(answer.AsSpan(16, 16))}".Trim();
    }

    private async ValueTask ReadCapacity()
    {
        byte[] small = await Ask([(byte)ScsiOperation.ReadCapacity10, 0, 0, 0, 0, 0, 0, 0, 0, 0], 8, "READ CAPACITY (10)");
        ulong last = BinaryPrimitives.ReadUInt32BigEndian(small);
        uint blockBytes = BinaryPrimitives.ReadUInt32BigEndian(small.AsSpan(4));
        if (last == uint.MaxValue)
        {
            byte[] command = new byte[16];
            command[0] = (byte)ScsiOperation.ServiceActionIn16;
            command[1] = 0x10; // READ CAPACITY (16)
            command[13] = 32;
            byte[] large = await Ask(command, 32, "READ CAPACITY (16)");
            last = BinaryPrimitives.ReadUInt64BigEndian(large);
            blockBytes = BinaryPrimitives.ReadUInt32BigEndian(large.AsSpan(8));
        }

        if (blockBytes is < 512 or > 4096 || !uint.IsPow2(blockBytes) || last >= ulong.MaxValue / 4096)
            throw new DriverException(DriverFailure.BadGeometry, $"A disk of {last} + 1 blocks of {blockBytes} bytes.");
        BlockCount = last + 1;
        BlockBytes = (int)blockBytes;
    }

    /// <summary>Makes a command whose answer the driver itself reads, whole.</summary>
    private async ValueTask<byte[]> Ask(byte[] command, int length, string name)
    {
        DmaMapping mapping = await Map(_answers, DmaDirection.FromDevice);
        int moved;
        try
        {
            moved = await Command(command, name, mapping with { Length = length }, isIn: true);
        }
        finally
        {
            (await _device.Controller.Memory.Unmap(mapping)).Require("unmap the buffer of answers");
        }

        if (moved != length)
            throw new DriverException(DriverFailure.ProtocolError, $"{name} gave {moved} of {length} bytes.");
        byte[] answer = new byte[length];
        _answers.Read(0, answer);
        return answer;
    }

    /// <summary>Makes a command, again where trying again can help.</summary>
    /// <returns>Data bytes that count.</returns>
    /// <exception cref="DriverException">It failed for good.</exception>
    private async ValueTask<int> Command(ReadOnlyMemory<byte> command, string name, DmaMapping data = default, bool isIn = false)
    {
        bool wasReset = false;
        for (int attempt = 1; attempt <= AttemptsMax; attempt++)
        {
            ExchangeResult result = await _transport.Exchange(command, data, isIn);
            switch (result)
            {
                case { Outcome: ExchangeOutcome.Answered, Status: CommandStatus.Passed }:
                    return result.Bytes;
                case { Outcome: ExchangeOutcome.Answered }:
                    await WaitIfWorthwhile(name, await RequestSense(name));
                    break;
                case { Outcome: ExchangeOutcome.ControllerStopped }:
                    throw ControllerStopped(name);
                case { Outcome: ExchangeOutcome.Broken } when !wasReset:
                    wasReset = true;
                    await _transport.ResetDevice();
                    break;
                case { Outcome: ExchangeOutcome.Recovered }:
                    break;
                default:
                    throw new DriverException(DriverFailure.ProtocolError, $"{name} broke, and no reset helped.");
            }
        }

        throw new DriverException(DriverFailure.ProtocolError, $"{name} did not succeed in {AttemptsMax} attempts.");
    }

    /// <summary>A unit attention is only news; a unit that becomes ready needs time; anything else is final.</summary>
    private async ValueTask WaitIfWorthwhile(string name, SenseData sense)
    {
        const byte BecomingReady = 0x04;
        if (sense.Key == SenseKey.UnitAttention)
            return;
        if (sense is not { Key: SenseKey.NotReady, AdditionalCode: BecomingReady })
        {
            throw new DriverException(
                DriverFailure.CommandFailed,
                $"{name} failed: {sense.Key}, {sense.AdditionalCode:X2}h/{sense.AdditionalQualifier:X2}h.");
        }

        await _device.Controller.Processor.Delay(NotReadyPauseNs);
    }

    private async ValueTask<SenseData> RequestSense(string name)
    {
        byte[] command = [(byte)ScsiOperation.RequestSense, 0, 0, 0, SenseData.Size, 0];
        byte[] bytes = new byte[SenseData.Size];
        DmaMapping mapping = await Map(_answers, DmaDirection.FromDevice);
        ExchangeResult result;
        try
        {
            result = await _transport.Exchange(command, mapping with { Length = SenseData.Size }, isIn: true);
        }
        finally
        {
            (await _device.Controller.Memory.Unmap(mapping)).Require("unmap the buffer of answers");
        }

        if (result.Outcome == ExchangeOutcome.ControllerStopped)
            throw ControllerStopped(name);
        if (result is not { Outcome: ExchangeOutcome.Answered, Status: CommandStatus.Passed })
            throw new DriverException(DriverFailure.ProtocolError, $"{name} failed, and the device does not say why.");
        _answers.Read(0, bytes);
        return Packed.Read<SenseData>(bytes);
    }

    private static DriverException ControllerStopped(string name) =>
        new(DriverFailure.HostSystemError, $"The controller stopped during {name}: memory refused one of its accesses, or it is gone.");

    private async ValueTask<DmaMapping> Map(MemoryBuffer buffer, DmaDirection direction)
    {
        DmaMapResult result = await _device.Controller.Memory.Map(buffer, direction);
        result.Refusal.Require("map a buffer");
        return result.Mapping;
    }

    // The device chooses these bytes: nothing but plain letters may reach a terminal.
    private static string Printable(ReadOnlySpan<byte> bytes)
    {
        StringBuilder text = new();
        foreach (byte value in bytes)
            text.Append(value is >= 0x20 and < 0x7F ? (char)value : '?');
        return text.ToString().Trim();
    }
}
