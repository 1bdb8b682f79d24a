using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>How one exchange of command, data and status ended.</summary>
/// <param name="Outcome">Whether there is a status to go by.</param>
/// <param name="Status">The device's status, where there is one.</param>
/// <param name="Bytes">Data bytes that count: those moved, less what the device says is left over.</param>
public readonly record struct ExchangeResult(ExchangeOutcome Outcome, CommandStatus Status, int Bytes);

/// <summary>Whether an exchange came to an end that means something.</summary>
public enum ExchangeOutcome
{
    /// <summary>Never made.</summary>
    None = 0,

    /// <summary>The device gave its status.</summary>
    Answered,

    /// <summary>The exchange broke; reset recovery brought the device back to where it expects a command.</summary>
    Recovered,

    /// <summary>The exchange broke and so did the recovery.</summary>
    Broken,

    /// <summary>The controller stopped, and with it everything.</summary>
    ControllerStopped,
}

/// <summary>The bulk-only transport: a command out, data in or out, a status in, and the ladder back when that breaks.</summary>
/// <remarks>
/// <code>
/// command (31 bytes) -> data, if any -> status (13 bytes)
///                        stalled: clear the halt, go on to the status
///                                            stalled or empty: clear, read it once more
/// anything else: class reset, clear halt of IN, clear halt of OUT
/// </code>
/// Command and status lie in memory that both sides use all the time; data is mapped by the caller, for as long as one command takes.
/// </remarks>
public sealed class BulkOnlyTransport
{
    /// <summary>How long the device may take for a stage, in nanoseconds.</summary>
    private const ulong StageTimeoutNs = 5_000_000_000;

    private const int CommandOffset = 0;
    private const int StatusOffset = 64;
    private const int MemoryBytes = 128;

    /// <summary>Where the command block lies in its wrapper.</summary>
    private const int CommandBlockOffset = 15;

    private readonly UsbDeviceHandle _device;
    private readonly byte _interface;
    private readonly UsbEndpoint _in;
    private readonly UsbEndpoint _out;
    private readonly CoherentBuffer _memory;
    private IUsbPipe _inPipe;
    private IUsbPipe _outPipe;
    private uint _tag;

    private BulkOnlyTransport(
        UsbDeviceHandle device, UsbInterface face, (UsbEndpoint Endpoint, IUsbPipe Pipe) @in, (UsbEndpoint Endpoint, IUsbPipe Pipe) @out, CoherentBuffer memory)
    {
        _device = device;
        _interface = face.Descriptor.Number;
        (_in, _inPipe) = @in;
        (_out, _outPipe) = @out;
        _memory = memory;
    }

    /// <summary>Opens the transport of a device that offers it.</summary>
    /// <exception cref="DriverException">It offers none.</exception>
    public static async ValueTask<BulkOnlyTransport> Open(UsbDeviceHandle device)
    {
        const byte ScsiCommands = 0x06;
        const byte BulkOnly = 0x50;
        UsbInterface? face = device.Find(DeviceClass.MassStorage, ScsiCommands, BulkOnly);
        if (face?.Find(TransferType.Bulk, isIn: true) is not { } @in || face.Find(TransferType.Bulk, isIn: false) is not { } @out)
            throw new DriverException(DriverFailure.BadDescriptor, "The device offers no SCSI over bulk-only transport.");

        CoherentBuffer memory;
        try
        {
            memory = await device.Controller.Memory.AllocateCoherent(MemoryBytes);
        }
        catch (InvalidOperationException refusal)
        {
            throw new DriverException(DriverFailure.DmaRefused, $"No memory for commands: {refusal.Message}");
        }

        IUsbPipe? inPipe = null;
        try
        {
            inPipe = await device.Open(@in);
            return new(device, face, (@in, inPipe), (@out, await device.Open(@out)), memory);
        }
        catch (DriverException)
        {
            if (inPipe is not null)
                await inPipe.Close();
            (await device.Controller.Memory.FreeCoherent(memory)).Require("free the memory of commands");
            throw;
        }
    }

    /// <summary>Asks for the highest logical unit; a device that refuses to say has one.</summary>
    public async ValueTask<int> GetMaxLun()
    {
        byte[] answer = new byte[1];
        TransferResult result = await _device.Request(
            RequestType.Class, RequestRecipient.Interface, (byte)BulkOnlyRequest.GetMaxLun, 0, _interface, answer);
        return result is { IsCompleted: true, Bytes: 1 } ? answer[0] : 0;
    }

    /// <summary>Makes one exchange.</summary>
    /// <param name="command">The command block, 1 to 16 bytes.</param>
    /// <param name="data">Where its data lies for the device; a length of 0 means no data.</param>
    /// <param name="isIn">Whether the data goes to the host.</param>
    public async ValueTask<ExchangeResult> Exchange(ReadOnlyMemory<byte> command, DmaMapping data, bool isIn)
    {
        _tag++;
        WriteCommand(command.Span, data.Length, isIn);
        TransferResult sent = await _outPipe.Transfer(Part(CommandOffset, CommandBlockWrapper.Size), StageTimeoutNs);
        if (sent is not { IsCompleted: true, Bytes: CommandBlockWrapper.Size })
            return await Recover(sent.Status);

        TransferResult moved = default;
        if (data.Length != 0)
        {
            IUsbPipe pipe = isIn ? _inPipe : _outPipe;
            moved = await pipe.Transfer(data, StageTimeoutNs);
            if (moved.Status == TransferStatus.Stalled)
            {
                // The device ends the data early; its status says what that means.
                TransferResult cleared = await _device.ClearHalt(pipe, (isIn ? _in : _out).Address);
                if (!cleared.IsCompleted)
                    return await Recover(cleared.Status);
            }
            else if (!moved.IsCompleted)
            {
                return await Recover(moved.Status);
            }
        }

        return await ReadStatus(data.Length, moved.Bytes);
    }

    /// <summary>Resets the device through its port, for when reset recovery does not help.</summary>
    /// <exception cref="DriverException">It did not come back.</exception>
    public async ValueTask ResetDevice()
    {
        await _inPipe.Close();
        await _outPipe.Close();
        await _device.Reenumerate();
        _inPipe = await _device.Open(_in);
        _outPipe = await _device.Open(_out);
    }

    /// <summary>Closes the pipes and gives the memory back.</summary>
    public async ValueTask Release()
    {
        await _inPipe.Close();
        await _outPipe.Close();
        (await _device.Controller.Memory.FreeCoherent(_memory)).Require("free the memory of commands");
    }

    private DmaMapping Part(int offset, int length) =>
        new(_memory.Mapping.DeviceAddress + (ulong)offset, length, DmaDirection.Bidirectional);

    private void WriteCommand(ReadOnlySpan<byte> block, int dataLength, bool isIn)
    {
        CommandBlockWrapper wrapper = new()
        {
            Signature = CommandBlockWrapper.ValidSignature,
            Tag = _tag,
            DataLength = (uint)dataLength,
            In = isIn && dataLength != 0,
            CommandLength = block.Length,
        };
        Span<byte> bytes = stackalloc byte[CommandBlockWrapper.Size];
        Packed.Write(wrapper, bytes);
        block.CopyTo(bytes[CommandBlockOffset..]);
        _memory.Memory.Write(CommandOffset, bytes);
    }

    private async ValueTask<ExchangeResult> ReadStatus(int expected, int moved)
    {
        TransferResult received = await ReceiveStatus();
        if (received.Status == TransferStatus.Stalled)
        {
            TransferResult cleared = await _device.ClearHalt(_inPipe, _in.Address);
            if (!cleared.IsCompleted)
                return await Recover(cleared.Status);
            received = await ReceiveStatus();
        }
        else if (received is { IsCompleted: true, Bytes: 0 })
        {
            received = await ReceiveStatus();
        }

        CommandStatusWrapper status = ReadWrapper();
        bool isValid = received is { IsCompleted: true, Bytes: CommandStatusWrapper.Size }
            && status.Signature == CommandStatusWrapper.ValidSignature
            && status.Tag == _tag
            && status.Status is CommandStatus.Passed or CommandStatus.Failed
            && status.DataResidue <= (uint)expected;
        if (!isValid)
            return await Recover(received.Status);

        // A device may send filling up to the length asked for, and say by the residue how much of it counts.
        int counts = Math.Min(moved, expected - (int)status.DataResidue);
        return new(ExchangeOutcome.Answered, status.Status, counts);
    }

    private ValueTask<TransferResult> ReceiveStatus() =>
        _inPipe.Transfer(Part(StatusOffset, CommandStatusWrapper.Size), StageTimeoutNs);

    private CommandStatusWrapper ReadWrapper()
    {
        Span<byte> bytes = stackalloc byte[CommandStatusWrapper.Size];
        _memory.Memory.Read(StatusOffset, bytes);
        return Packed.Read<CommandStatusWrapper>(bytes);
    }

    /// <summary>Reset recovery: class reset, then the halts of both endpoints, in this order.</summary>
    private async ValueTask<ExchangeResult> Recover(TransferStatus reason)
    {
        if (reason == TransferStatus.ControllerStopped)
            return new(ExchangeOutcome.ControllerStopped, default, 0);
        TransferResult reset = await _device.Request(
            RequestType.Class, RequestRecipient.Interface, (byte)BulkOnlyRequest.Reset, 0, _interface);
        if (reset.IsCompleted)
            reset = await _device.ClearHalt(_inPipe, _in.Address);
        if (reset.IsCompleted)
            reset = await _device.ClearHalt(_outPipe, _out.Address);
        return new(
            reset.IsCompleted ? ExchangeOutcome.Recovered
            : reset.Status == TransferStatus.ControllerStopped ? ExchangeOutcome.ControllerStopped
            : ExchangeOutcome.Broken,
            default,
            0);
    }
}
