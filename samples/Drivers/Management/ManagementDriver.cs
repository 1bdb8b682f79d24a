using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Drivers;

/// <summary>A driver for the virtual management device: it puts requests into slots, rings, and waits.</summary>
/// <remarks>
/// A request costs one register access, the doorbell: request and completion lie in memory, and an interrupt says only that it is
/// worth looking there. As many requests as there are slots can be under way. The driver can be taken away and started anew on
/// the same device at any time; the reset in <see cref="Start"/> ends what was under way, and no other VM notices.
/// </remarks>
public sealed class ManagementDriver
{
    /// <summary>How long a request may take that waits for nobody, in nanoseconds.</summary>
    public const ulong PatienceNs = 1_000_000_000;

    private const int TransferShiftMin = 8;
    private const int TransferShiftMax = 24;
    private const ulong WatchdogNs = 10_000_000;
    private const ulong PollNs = 10_000;
    private const int PollsMax = 1_000;

    private readonly IDevice _device;
    private readonly IRegisterWindow _registers;
    private readonly ManagementSlots _slots;
    private readonly Signal _passed;
    private bool _isWatched;
    private bool _isStopped;
    private uint _lastTag;

    private ManagementDriver(IDevice device, IRegisterWindow registers, ManagementFeatures features, ManagementSlots slots)
    {
        (_device, _registers, Features, _slots) = (device, registers, features, slots);
        _passed = new(device.Processor.Loop);
    }

    /// <summary>What the device can do.</summary>
    public ManagementFeatures Features { get; }

    /// <summary>The most bytes of one input or output.</summary>
    public int TransferBytesMax => 1 << Features.TransferShift;

    /// <summary>Under which number others know this VM; 0 before the first core served the device.</summary>
    public uint Self => _registers.Read32(ManagementOffsets.Self);

    /// <summary>KiB by which files may still grow.</summary>
    public uint QuotaLeft => _registers.Read32(ManagementOffsets.QuotaLeft);

    /// <summary>The processor that it runs on.</summary>
    public Processor Processor => _device.Processor;

    /// <summary>Resets a device and makes it ready.</summary>
    /// <param name="device">The device.</param>
    /// <param name="modes">What it shall do; what it cannot stays off.</param>
    /// <exception cref="DriverException">It is no management device of a known version, or gets no memory.</exception>
    public static async ValueTask<ManagementDriver> Start(IDevice device, ManagementModes modes)
    {
        IRegisterWindow registers = device.OpenBar(0);
        ManagementIdentity identity = new(new(registers.Read32(ManagementOffsets.Identity)));
        if (identity.Signature != ManagementIdentity.SignatureValue || identity.Major != ManagementIdentity.CurrentMajor)
            throw new DriverException(DriverFailure.NotAManagementDevice, "What answers behind BAR 0 is no management device of version 1.");
        registers.Write32(ManagementOffsets.Control, 1);
        ManagementFeatures features = new(new(registers.Read32(ManagementOffsets.Features)));
        if (features.TransferShift is < TransferShiftMin or > TransferShiftMax)
            throw new DriverException(DriverFailure.NotAManagementDevice, $"Transfers of 2^{features.TransferShift} bytes are none that a management device of version 1 has.");
        CoherentBuffer table = await device.Dma.AllocateCoherent((features.LastSlot + 1) * ManagementRequest.SlotBytes);
        registers.Write32(ManagementOffsets.TableLow, (uint)table.Mapping.DeviceAddress.Value);
        registers.Write32(ManagementOffsets.TableHigh, (uint)(table.Mapping.DeviceAddress.Value >> 32));
        ManagementStatus causes = new() { SlotFinished = true, TableFault = true, CoreLost = true };
        registers.Write32(ManagementOffsets.InterruptEnable, causes.Raw.Value);
        registers.Write32(ManagementOffsets.Mode, (uint)(modes & features.Modes));
        return new(device, registers, features, new(device.Processor.Loop, table, features.LastSlot + 1));
    }

    /// <summary>Turns modes on and off; what is under way in one that goes off ends as <see cref="ManagementResult.Cancelled"/>.</summary>
    public void SetModes(ManagementModes modes) => _registers.Write32(ManagementOffsets.Mode, (uint)(modes & Features.Modes));

    /// <summary>Whether the core that serves the device knows nothing of what was before; asking forgets it.</summary>
    public bool TakeCoreLost()
    {
        ManagementStatus status = new(new(_registers.Read32(ManagementOffsets.Status)));
        if (status.CoreLost)
            _registers.Write32(ManagementOffsets.Status, new ManagementStatus { CoreLost = true }.Raw.Value);
        return status.CoreLost;
    }

    /// <summary>Resets the device and lets go of it; requests under way end as <see cref="ManagementResult.Cancelled"/>.</summary>
    public async ValueTask Stop()
    {
        _isStopped = true;
        _registers.Write32(ManagementOffsets.InterruptEnable, 0);
        _registers.Write32(ManagementOffsets.Control, 1);
        _passed.Raise();
        await _device.Processor.Delay(0);
        (await _device.Dma.FreeCoherent(_slots.Table)).Require("give the slots back");
    }

    /// <summary>Has a request done.</summary>
    /// <param name="request">What for; tag and buffers are filled in here.</param>
    /// <param name="input">What the device reads.</param>
    /// <param name="outputLength">How much it may write, 0 for nothing.</param>
    /// <param name="timeoutNs">When to give it up, in nanoseconds from now; it then ends as <see cref="ManagementResult.Cancelled"/>.</param>
    /// <exception cref="DriverException">It can neither be done nor cancelled: no core serves the device. Its memory stays taken.</exception>
    public async ValueTask<ManagementReply> Execute(
        ManagementRequest request, ReadOnlyMemory<byte> input = default, int outputLength = 0, ulong timeoutNs = PatienceNs)
    {
        MemoryBuffer? source = input.Length == 0 ? null : _device.Dma.Allocate(input.Length);
        MemoryBuffer? target = outputLength == 0 ? null : _device.Dma.Allocate(outputLength);
        source?.Write(0, input.Span);
        DmaMapping read = await Map(source, DmaDirection.ToDevice);
        DmaMapping written = await Map(target, DmaDirection.FromDevice);
        request = request with
        {
            Tag = ++_lastTag,
            Input = read.DeviceAddress,
            InputLength = (uint)input.Length,
            Output = written.DeviceAddress,
            OutputLength = (uint)outputLength,
        };
        ManagementCompletion completion = await Run(request, timeoutNs);
        byte[] output = new byte[Math.Min(completion.Length, (uint)outputLength)];
        target?.Read(0, output);
        await Release(source, read);
        await Release(target, written);
        return new(completion, output);
    }

    private async ValueTask<ManagementCompletion> Run(ManagementRequest request, ulong timeoutNs)
    {
        int slot = await _slots.Take();
        _slots.Write(slot, request);
        _registers.Write32(ManagementOffsets.Doorbell, 1u << slot);
        if (!await Until(slot, request.Tag, timeoutNs) && !await GiveUp(slot, request.Tag))
            throw new DriverException(DriverFailure.ControllerTimeout, $"Slot {slot} of the management device neither finished nor could be cancelled.");
        ManagementCompletion completion = _isStopped ? new() { Result = ManagementResult.Cancelled, Tag = request.Tag } : _slots.Read(slot);
        _slots.Return(slot);
        return completion;
    }

    private async ValueTask<bool> Until(int slot, uint tag, ulong timeoutNs)
    {
        ulong now = _device.Processor.Loop.NowNs;
        ulong end = timeoutNs > ulong.MaxValue - now ? ulong.MaxValue : now + timeoutNs;
        while (!HasEnded(slot, tag))
        {
            now = _device.Processor.Loop.NowNs;
            if (now >= end)
                return false;
            await Next(Math.Min(end - now, WatchdogNs));
        }

        return true;
    }

    private async ValueTask<bool> GiveUp(int slot, uint tag)
    {
        _registers.Write32(ManagementOffsets.Cancel, 1u << slot);
        for (int poll = 0; poll < PollsMax; poll++)
        {
            if (HasEnded(slot, tag))
                return true;
            await _device.Processor.Delay(PollNs);
        }

        return false;
    }

    private bool HasEnded(int slot, uint tag) =>
        _isStopped || (_slots.Read(slot) is { Result: not ManagementResult.None } completion && completion.Tag == tag);

    // One waits for the interrupt, the others for him: each then looks at his own slot.
    private async ValueTask Next(ulong timeoutNs)
    {
        if (_isWatched)
        {
            _ = await _passed.Wait(timeoutNs);
            return;
        }

        _isWatched = true;
        _ = await _device.Interrupt.Wait(timeoutNs);
        _isWatched = false;
        _passed.Raise();
        _passed.Clear();
    }

    private async ValueTask<DmaMapping> Map(MemoryBuffer? buffer, DmaDirection direction)
    {
        if (buffer is null)
            return default;
        DmaMapResult result = await _device.Dma.Map(buffer, direction);
        result.Refusal.Require("map a buffer for the management device");
        return result.Mapping;
    }

    private async ValueTask Release(MemoryBuffer? buffer, DmaMapping mapping)
    {
        if (buffer is null)
            return;
        (await _device.Dma.Unmap(mapping)).Require("unmap a buffer of the management device");
        _device.Dma.Free(buffer).Require("give a buffer of the management device back");
    }
}
