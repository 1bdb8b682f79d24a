using System.Numerics;
using System.Runtime.InteropServices;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The virtual management device of a VM: a PCI function without a counterpart in hardware, by which its guest talks to the VMM.</summary>
/// <remarks>
/// A guest writes requests into slots of its own memory and rings; a <see cref="ManagementCore"/> takes them, does them and
/// writes completions back. The device itself only keeps the books of which slot is where:
/// <code>
///   free --doorbell--> rung --core takes it--> taken --completion, then interrupt--> free
///     ^                  |                       |
///     +------------------+------ reset ----------+      (no completion: the guest forgot the slots itself)
/// </code>
/// Its memory accesses go through the fabric of its VM, so that no address leads out of that. Registers: <see cref="ManagementOffsets"/>.
/// </remarks>
public sealed class ManagementDevice : PciFunction
{
    /// <summary>How many slots there are.</summary>
    public const int Slots = 32;

    /// <summary>The most bytes of one input or output.</summary>
    public const int TransferBytesMax = 1 << TransferShift;

    private const int TransferShift = 16;
    private const ulong TableAlignment = ManagementRequest.SlotBytes;

    private readonly RegisterFile _registers;
    private readonly Effects _effects;

    // Slots that were rung and that nobody has taken, in the order of ringing; each is in there once.
    private readonly Queue<int> _rung = new(Slots);
    private uint _rungMask;
    private uint _takenMask;
    private uint _cancelMask;
    private ManagementModes _endedModes;

    /// <summary>A device; <see cref="ManagementCore.Plug"/> brings it into a VM.</summary>
    /// <param name="modes">What it has; what the host does not grant may as well not be there.</param>
    public ManagementDevice(ManagementModes modes = ManagementModes.All)
        : base(new(0x1234, 0xDA4D, ClassCode: 0x08_8000))
    {
        _effects = new(this);
        _registers = new(ManagementOffsets.MessageTable, [.. RegistersFor(modes)]);
        AddMemoryBar(0, ManagementOffsets.WindowLength);
        _ = AddCapability(new MsixCapability(vectors: 1, bar: 0, ManagementOffsets.MessageTable, ManagementOffsets.PendingBits));
        _ = AddCapability(new PciExpressCapability(PciExpressType.RootComplexEndpoint));
    }

    /// <summary>Slots that are under way, a bit for each.</summary>
    public uint Busy => _rungMask | _takenMask;

    /// <summary>What its guest turned on.</summary>
    public ManagementModes Modes => (ManagementModes)_registers[ManagementOffsets.Mode];

    /// <summary>How often it was reset: a request of before means nothing any more.</summary>
    internal uint Generation { get; private set; }

    /// <summary>Raised when there is something for the core; null without one.</summary>
    internal Signal? Attention { get; private set; }

    /// <summary>Under which number the core knows it.</summary>
    internal uint Self => (uint)_registers[ManagementOffsets.Self];

    /// <summary>Bytes by which files may still grow. They are kept here, so that they outlive a core that fails.</summary>
    internal ulong QuotaLeft
    {
        get;
        set
        {
            field = value;
            ShowQuota();
        }
    }

    /// <summary>How many slots wait to be taken.</summary>
    internal int Waiting => _rung.Count;

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width) => _registers.Read((int)offset, width);

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value) => _registers.Write((int)offset, width, value, _effects);

    /// <summary>A core begins to serve it.</summary>
    /// <param name="attention">What to raise.</param>
    /// <param name="self">The number under which the core knows it.</param>
    internal void Connect(Signal attention, uint self)
    {
        Attention = attention;
        _registers[ManagementOffsets.Self] = self;
        SetStatus(Status with { CoreReady = true });
        attention.Raise();
    }

    /// <summary>The core serves it no more; what is rung waits for another one.</summary>
    internal void Disconnect()
    {
        Attention = null;
        SetStatus(Status with { CoreReady = false });
    }

    /// <summary>Tells the guest that the core does not know what was before.</summary>
    internal void TellCoreLost()
    {
        SetStatus(Status with { CoreLost = true });
        InterruptFor(new() { CoreLost = true });
    }

    /// <summary>Takes the slot that was rung first, and reads its request.</summary>
    /// <returns><c>false</c> where the slot is no memory: it is free again, and the status says so.</returns>
    internal bool TryTake(out int slot, out ManagementRequest request)
    {
        slot = _rung.Dequeue();
        _rungMask &= ~(1u << slot);
        request = default;
        Bits512 raw = default;
        if (ReadMemory(SlotAddress(slot), MemoryMarshal.AsBytes(new Span<Bits512>(ref raw))))
        {
            _takenMask |= 1u << slot;
            request = new(raw);
            return true;
        }

        FailTable();
        return false;
    }

    /// <summary>Ends a request: first the completion, then the interrupt.</summary>
    /// <returns><c>false</c>, and nothing happened, where the slot is not taken any more: the device was reset.</returns>
    internal bool Finish(int slot, uint generation, ManagementCompletion completion)
    {
        if (generation != Generation || (_takenMask >> slot & 1) == 0)
            return false;
        _takenMask &= ~(1u << slot);
        _cancelMask &= ~(1u << slot);
        _registers[ManagementOffsets.Finished] = (uint)(_registers[ManagementOffsets.Finished] + 1);
        Bits256 raw = completion.Raw;
        if (WriteMemory(SlotAddress(slot) + ManagementRequest.CompletionOffset, MemoryMarshal.AsBytes(new Span<Bits256>(ref raw))))
        {
            SetStatus(Status with { SlotFinished = true });
            InterruptFor(new() { SlotFinished = true });
        }
        else
        {
            FailTable();
        }

        return true;
    }

    /// <summary>Ends all that was taken, in the name of a core that is gone.</summary>
    internal void FinishTaken(ManagementResult result)
    {
        for (uint next = _takenMask; next != 0; next &= next - 1)
        {
            int slot = BitOperations.TrailingZeroCount(next);
            Bits512 raw = default;
            _ = ReadMemory(SlotAddress(slot), MemoryMarshal.AsBytes(new Span<Bits512>(ref raw)));
            _ = Finish(slot, Generation, new() { Result = result, Tag = new ManagementRequest(raw).Tag });
        }
    }

    /// <summary>The modes that were turned off since the last call, even where they are on again.</summary>
    internal ManagementModes TakeEndedModes()
    {
        ManagementModes ended = _endedModes;
        _endedModes = ManagementModes.None;
        return ended;
    }

    /// <summary>The taken slots that the guest wants to be ended since the last call.</summary>
    internal uint TakeCancelled()
    {
        uint cancelled = _cancelMask & _takenMask;
        _cancelMask &= _rungMask;
        return cancelled;
    }

    /// <summary>Whether a slot that was just taken had been cancelled before.</summary>
    internal bool WasCancelled(int slot)
    {
        bool was = (_cancelMask >> slot & 1) != 0;
        _cancelMask &= ~(1u << slot);
        return was;
    }

    /// <summary>Reads memory of the VM; <c>false</c> where not all of it is memory.</summary>
    internal bool ReadMemory(Iova address, Span<byte> destination) =>
        IsRange(address, destination.Length) && Dma.Read(address, destination) == DmaStatus.Success;

    /// <summary>Writes memory of the VM; <c>false</c> where not all of it is memory. What would be an interrupt is none of the device's business.</summary>
    internal bool WriteMemory(Iova address, ReadOnlySpan<byte> source) =>
        IsRange(address, source.Length) && Dma.Write(address, source) == DmaStatus.Success;

    /// <inheritdoc/>
    protected override void OnReset()
    {
        ulong self = _registers[ManagementOffsets.Self];
        bool isReady = Status.CoreReady;
        _registers.Reset();
        _registers[ManagementOffsets.Self] = self;
        ShowQuota();
        SetStatus(new() { CoreReady = isReady });
        _rung.Clear();
        _rungMask = _takenMask = _cancelMask = 0;
        _endedModes = ManagementModes.None;
        Generation++;
        Attention?.Raise();
    }

    private void ShowQuota() => _registers[ManagementOffsets.QuotaLeft] = Math.Min(QuotaLeft >> 10, uint.MaxValue);

    private ManagementStatus Status => new(new((uint)_registers[ManagementOffsets.Status]));

    private static bool IsRange(Iova address, int length) =>
        length == 0 || ((ulong)length - 1 <= ulong.MaxValue - address.Value
            && (address.Value > InterruptRange.Last || address.Value + (ulong)length - 1 < InterruptRange.First));

    private static IEnumerable<Register> RegistersFor(ManagementModes modes)
    {
        ManagementIdentity identity = new() { Signature = ManagementIdentity.SignatureValue, Major = ManagementIdentity.CurrentMajor };
        ManagementFeatures features = new() { Modes = modes, LastSlot = Slots - 1, TransferShift = TransferShift };
        ManagementStatus causes = new() { TableFault = true, SlotFinished = true, CoreLost = true };
        yield return new(ManagementOffsets.Identity, 4, "ID", new(identity.Raw.Value));
        yield return new(ManagementOffsets.Features, 4, "FEATURES", new(features.Raw.Value));
        yield return new(ManagementOffsets.Mode, 4, "MODE", new(0, Writable: (ulong)modes));
        yield return new(ManagementOffsets.Status, 4, "STATUS", new(0, ClearOnOne: causes.Raw.Value));
        yield return new(ManagementOffsets.Doorbell, 4, "DOORBELL", new(0));
        yield return new(ManagementOffsets.Busy, 4, "BUSY", new(0));
        yield return new(ManagementOffsets.TableLow, 4, "TABLE", new(0, Writable: uint.MaxValue & ~(TableAlignment - 1)));
        yield return new(ManagementOffsets.TableHigh, 4, "TABLEHI", new(0, Writable: uint.MaxValue));
        yield return new(ManagementOffsets.Cancel, 4, "CANCEL", new(0));
        yield return new(ManagementOffsets.Self, 4, "SELF", new(0));
        yield return new(ManagementOffsets.InterruptEnable, 4, "INTEN", new(0, Writable: causes.Raw.Value));
        yield return new(ManagementOffsets.Finished, 4, "FINISHED", new(0));
        yield return new(ManagementOffsets.QuotaLeft, 4, "QUOTA", new(0));
        yield return new(ManagementOffsets.Control, 4, "CONTROL", new(0));
    }

    private Iova SlotAddress(int slot) => new(
        (_registers[ManagementOffsets.TableLow] | (_registers[ManagementOffsets.TableHigh] << 32)) + ((ulong)slot * ManagementRequest.SlotBytes));

    private void SetStatus(ManagementStatus status) => _registers[ManagementOffsets.Status] = status.Raw.Value;

    private void FailTable()
    {
        _registers[ManagementOffsets.Busy] = Busy;
        SetStatus(Status with { TableFault = true });
        InterruptFor(new() { TableFault = true });
    }

    private void InterruptFor(ManagementStatus cause)
    {
        _registers[ManagementOffsets.Busy] = Busy;
        if ((_registers[ManagementOffsets.InterruptEnable] & cause.Raw.Value) != 0)
            RaiseInterrupt();
    }

    // However many bits are written and however often: a slot is rung once, and a turn of the core is bounded.
    private void Ring(uint slots)
    {
        for (uint next = slots & ~Busy; next != 0; next &= next - 1)
            _rung.Enqueue(BitOperations.TrailingZeroCount(next));
        _rungMask |= slots & ~_takenMask;
        _registers[ManagementOffsets.Busy] = Busy;
        Attention?.Raise();
    }

    private sealed class Effects(ManagementDevice device) : IRegisterEffects
    {
        public void Written(in RegisterWrite write)
        {
            switch (write.Offset)
            {
                case ManagementOffsets.Mode when (write.Before & ~write.After) != 0:
                    device._endedModes |= (ManagementModes)(write.Before & ~write.After);
                    device.Attention?.Raise();
                    break;
                case ManagementOffsets.Doorbell:
                    device.Ring((uint)write.Written);
                    break;
                case ManagementOffsets.Cancel:
                    device._cancelMask |= (uint)write.Written & device.Busy;
                    device.Attention?.Raise();
                    break;
                case ManagementOffsets.TableLow or ManagementOffsets.TableHigh when device.Busy != 0:
                    device._registers[write.Offset] = write.Before;
                    break;
                case ManagementOffsets.Control when write.WroteOne(0):
                    device.OnReset();
                    break;
                default:
                    // Nothing follows from it.
                    break;
            }
        }
    }
}
