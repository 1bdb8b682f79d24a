using System.Buffers.Binary;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>A disk behind USB attached SCSI with streams: many commands at once, each with a tag that is the number of its streams.</summary>
/// <remarks>
/// <code>
/// command pipe   | command 1 | command 2 | command 3 |
/// data streams               |     2     |  1  |   3   |     whose turn it is, the device says
/// status streams                         | 2 |   | 1 | 3 |
/// </code>
/// </remarks>
public sealed class UasDriver
{
    private const byte Scsi = 6;
    private const byte AttachedScsi = 0x62;
    private const int SlotBytes = 256;
    private const int StatusOffset = 128;
    private const int CapacityOffset = 64;
    private const int AttemptsMax = 4;
    private const ulong StageTimeoutNs = 5_000_000_000;

    private readonly UsbDeviceHandle _device;
    private readonly IUsbPipe _commands;
    private readonly IUsbStreamPipe _status;
    private readonly IUsbStreamPipe _dataIn;
    private readonly IUsbStreamPipe _dataOut;
    private readonly CoherentBuffer _memory;
    private readonly Queue<ushort> _tags;
    private readonly Signal _tagFree;

    private UasDriver(UsbDeviceHandle device, IUsbPipe commands, IUsbStreamPipe status, IUsbStreamPipe dataIn, IUsbStreamPipe dataOut, CoherentBuffer memory)
    {
        (_device, _commands, _status, _dataIn, _dataOut, _memory) = (device, commands, status, dataIn, dataOut, memory);
        _tags = new(Enumerable.Range(1, status.Streams).Select(static tag => (ushort)tag));
        _tagFree = new(device.Controller.Processor.Loop);
    }

    /// <summary>How many commands can be under way.</summary>
    public int CommandsMax => _status.Streams;

    /// <summary>How many blocks it has.</summary>
    public ulong BlockCount { get; private set; }

    /// <summary>Bytes in a block.</summary>
    public int BlockBytes { get; private set; }

    /// <summary>Chooses USB attached SCSI, opens the pipes with their streams, and finds out how large the disk is.</summary>
    /// <exception cref="DriverException">Device or controller has no streams, or what the device says makes no sense.</exception>
    public static async ValueTask<UasDriver> Start(UsbDeviceHandle device)
    {
        UsbInterface setting = device.Configuration.Interfaces.FirstOrDefault(candidate =>
            candidate.Descriptor is { Class: DeviceClass.MassStorage, Subclass: Scsi, Protocol: AttachedScsi })
            ?? throw new DriverException(DriverFailure.BadDescriptor, "The device does not know USB attached SCSI.");
        await device.SetInterface(setting.Descriptor.Number, setting.Descriptor.AlternateSetting);
        IUsbPipe commands = await device.Open(PipeOf(setting, UasPipe.Command));
        IUsbStreamPipe status = await OpenStreams(device, setting, UasPipe.Status);
        UasDriver disk = new(
            device, commands, status, await OpenStreams(device, setting, UasPipe.DataIn), await OpenStreams(device, setting, UasPipe.DataOut),
            await device.Controller.Memory.AllocateCoherent((status.Streams + 1) * SlotBytes));
        await disk.ReadCapacity();
        return disk;
    }

    /// <summary>Reads blocks by DMA into a buffer; any number of these may run at a time.</summary>
    /// <param name="firstBlock">The first block.</param>
    /// <param name="destination">Where they go; a whole number of blocks, at most 1 MiB, none of them behind the end of the disk.</param>
    /// <param name="isUrgent">Whether the command goes before those that wait at the device.</param>
    /// <exception cref="DriverException">The disk does not have them, or could not read them.</exception>
    public ValueTask Read(ulong firstBlock, MemoryBuffer destination, bool isUrgent = false) => Move(firstBlock, destination, isIn: true, isUrgent);

    /// <summary>Writes blocks by DMA out of a buffer; any number of these may run at a time.</summary>
    /// <inheritdoc cref="Read"/>
    public ValueTask Write(ulong firstBlock, MemoryBuffer source, bool isUrgent = false) => Move(firstBlock, source, isIn: false, isUrgent);

    /// <summary>Lets go of the disk; no command may be under way.</summary>
    public async ValueTask Stop()
    {
        await _commands.Close();
        foreach (IUsbStreamPipe pipe in (IUsbStreamPipe[])[_status, _dataIn, _dataOut])
            await pipe.Close();
        (await _device.Controller.Memory.FreeCoherent(_memory)).Require("free the units of a disk");
    }

    // Each pipe usage descriptor stands behind the endpoint that it tells of.
    private static UsbEndpoint PipeOf(UsbInterface setting, UasPipe pipe)
    {
        UasPipe[] pipes = [.. setting.ClassDescriptors
            .Where(static bytes => bytes.Length >= PipeUsageDescriptor.Size && bytes[1] == (byte)DescriptorType.ClassInterface)
            .Select(static bytes => Packed.Read<PipeUsageDescriptor>(bytes.AsSpan(0, PipeUsageDescriptor.Size)).Pipe)];
        int index = Array.IndexOf(pipes, pipe);
        return index >= 0 && index < setting.Endpoints.Count
            ? setting.Endpoints[index]
            : throw new DriverException(DriverFailure.BadDescriptor, $"The device has no pipe for {pipe}.");
    }

    private static async ValueTask<IUsbStreamPipe> OpenStreams(UsbDeviceHandle device, UsbInterface setting, UasPipe pipe) =>
        await device.Connection.OpenStreams(PipeOf(setting, pipe))
        ?? throw new DriverException(DriverFailure.BadDescriptor, $"There are no streams for the pipe {pipe}.");

    private async ValueTask Move(ulong firstBlock, MemoryBuffer buffer, bool isIn, bool isUrgent)
    {
        ulong blocks = (ulong)(buffer.Length / BlockBytes);
        if (buffer.Length % BlockBytes != 0 || blocks is 0 or > ushort.MaxValue || blocks > BlockCount || firstBlock > BlockCount - blocks)
            throw new DriverException(DriverFailure.BadGeometry, $"Blocks {firstBlock} to {firstBlock + blocks} of a disk of {BlockCount}.");
        CommandBlock10 command = new()
        {
            Operation = isIn ? ScsiOperation.Read10 : ScsiOperation.Write10,
            LogicalBlock = (uint)firstBlock,
            Length = (ushort)blocks,
        };
        DmaMapResult mapped = await _device.Controller.Memory.Map(buffer, isIn ? DmaDirection.FromDevice : DmaDirection.ToDevice);
        mapped.Refusal.Require("map a buffer");
        try
        {
            int moved = await Command(command.Block, mapped.Mapping, isIn, isUrgent);
            if (moved != buffer.Length)
                throw new DriverException(DriverFailure.ProtocolError, $"Of {buffer.Length} bytes at block {firstBlock} the device moved {moved}.");
        }
        finally
        {
            (await _device.Controller.Memory.Unmap(mapped.Mapping)).Require("unmap a data buffer");
        }
    }

    private async ValueTask ReadCapacity()
    {
        const int AnswerBytes = 8;
        DmaMapping answer = new(_memory.Mapping.DeviceAddress + CapacityOffset, AnswerBytes, DmaDirection.FromDevice);
        int moved = await Command(new CommandBlock10 { Operation = ScsiOperation.ReadCapacity10 }.Block, answer, isIn: true, isUrgent: false);
        byte[] bytes = new byte[AnswerBytes];
        _memory.Memory.Read(CapacityOffset, bytes);
        BlockCount = BinaryPrimitives.ReadUInt32BigEndian(bytes) + 1ul;
        uint blockBytes = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(4));
        if (moved != AnswerBytes || blockBytes is < 512 or > 4096 || !uint.IsPow2(blockBytes))
            throw new DriverException(DriverFailure.BadGeometry, $"A disk of {BlockCount} blocks of {blockBytes} bytes.");
        BlockBytes = (int)blockBytes;
    }

    // Again where the device only had news: its unit attention goes to the first command.
    private async ValueTask<int> Command(CommandBlock command, DmaMapping data, bool isIn, bool isUrgent)
    {
        ushort tag;
        while (!_tags.TryDequeue(out tag))
            _ = await _tagFree.Wait();
        try
        {
            for (int attempt = 1; attempt <= AttemptsMax; attempt++)
            {
                (ScsiStatus status, SenseData sense, int moved) = await Exchange(tag, command, data, isIn, isUrgent);
                if (status == ScsiStatus.Good)
                    return moved;
                if (sense.Key != SenseKey.UnitAttention)
                    throw new DriverException(DriverFailure.CommandFailed, $"{command.Operation} failed: {status}, {sense.Key}, {sense.AdditionalCode:X2}h.");
            }

            throw new DriverException(DriverFailure.ProtocolError, $"{command.Operation} did not succeed in {AttemptsMax} attempts.");
        }
        finally
        {
            _tags.Enqueue(tag);
            _tagFree.Raise();
        }
    }

    // Data and status are asked for before the command goes: the device says when they are ready.
    private async ValueTask<(ScsiStatus Status, SenseData Sense, int Moved)> Exchange(ushort tag, CommandBlock command, DmaMapping data, bool isIn, bool isUrgent)
    {
        int place = tag * SlotBytes;
        CommandUnit unit = new()
        {
            Id = InformationUnitId.Command,
            Tag = tag,
            Attribute = isUrgent ? TaskAttribute.HeadOfQueue : TaskAttribute.Simple,
            Command = command,
        };
        _memory.Memory.Write(place, Packed.ToArray(unit, CommandUnit.Size));
        Iova at = _memory.Mapping.DeviceAddress + (ulong)place;
        Task<TransferResult> answer = _status.Transfer(tag, new(at + StatusOffset, SlotBytes - StatusOffset, DmaDirection.FromDevice), StageTimeoutNs).AsTask();
        IUsbStreamPipe dataPipe = isIn ? _dataIn : _dataOut;
        Task<TransferResult> moved = dataPipe.Transfer(tag, data, StageTimeoutNs).AsTask();
        Check(await _commands.Transfer(new(at, CommandUnit.Size, DmaDirection.ToDevice), StageTimeoutNs), "command");
        Check(await answer, "status");
        byte[] bytes = new byte[SlotBytes - StatusOffset];
        _memory.Memory.Read(place + StatusOffset, bytes);
        SenseUnit sense = Packed.Read<SenseUnit>(bytes);
        if (sense.Id != InformationUnitId.Sense || sense.Tag != tag)
            throw new DriverException(DriverFailure.ProtocolError, $"Command {tag} is answered by {sense.Id} of {sense.Tag}.");
        if (sense.Status != ScsiStatus.Good)
            dataPipe.Cancel(tag);
        return (sense.Status, Packed.Read<SenseData>(bytes.AsSpan(SenseUnit.Size)), (await moved).Bytes);
    }

    private static void Check(TransferResult result, string stage)
    {
        if (result.Status != TransferStatus.Completed)
            throw new DriverException(DriverFailure.ProtocolError, $"The {stage} of a command broke: {result.Status}.");
    }
}
