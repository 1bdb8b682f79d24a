using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>The merge engine of a controller in the hands of the VMM; each access to its registers is charged to it.</summary>
internal sealed class MergeEngineDriver : IPortAddresses
{
    private const uint PortEnabled = 1;
    private const uint PortDisabled = 2;
    private const uint PortsReset = 3;

    private readonly RealFunction _function;
    private readonly Processor _processor;

    private MergeEngineDriver(RealFunction function, Processor processor)
    {
        (_function, _processor) = (function, processor);
        uint counts = this[MergeEngineOffsets.Counts];
        (SlotCount, ReplacesAddresses) = ((int)(counts & 0xFF), (counts >> 16 & 1) != 0);
    }

    /// <summary>How many VMs it can serve.</summary>
    public int SlotCount { get; }

    /// <summary>Whether it replaces device addresses.</summary>
    public bool ReplacesAddresses { get; }

    /// <summary>Which slots have something to say, a bit for each.</summary>
    public ulong Notices => this[MergeEngineOffsets.NoticeLow] | (SlotCount > 32 ? (ulong)this[MergeEngineOffsets.NoticeHigh] << 32 : 0);

    /// <summary>A register of the engine.</summary>
    public uint this[int offset]
    {
        get
        {
            _processor.Charge(Cost.RegisterAccess);
            return Peek(offset);
        }
    }

    /// <summary>A register of a slot.</summary>
    public uint this[int slot, int register]
    {
        get => this[At(slot, register)];
        set
        {
            _processor.Charge(Cost.RegisterAccess);
            _function.WriteBar(MergeEngineOffsets.Bar, (ulong)At(slot, register), sizeof(uint), value);
        }
    }

    /// <summary>Looks for an engine.</summary>
    /// <returns><c>null</c> where the controller has none.</returns>
    public static MergeEngineDriver? TryOpen(RealFunction function, Processor processor) =>
        function.Bars.Any(static bar => bar.Index == MergeEngineOffsets.Bar)
        && function.ReadBar(MergeEngineOffsets.Bar, MergeEngineOffsets.Id, sizeof(uint)) == MergeEngineOffsets.IdValue
            ? new(function, processor)
            : null;

    /// <summary>A register as somebody reads it who watches: nothing is charged.</summary>
    public uint Peek(int offset) => (uint)_function.ReadBar(MergeEngineOffsets.Bar, (ulong)offset, sizeof(uint));

    /// <summary>A register of a slot as somebody reads it who watches.</summary>
    public uint Peek(int slot, int register) => Peek(At(slot, register));

    /// <summary>Where the function is under whose name the memory of a VM is reached.</summary>
    public SourceId RequesterOf(int slot) => new((ushort)this[slot, MergeEngineOffsets.Requester]);

    /// <inheritdoc/>
    public bool Enabled(int guest, int port)
    {
        this[guest, MergeEngineOffsets.Port] = (PortEnabled << 8) | (uint)port;
        return !ReplacesAddresses || (this[MergeEngineOffsets.AddressZero] & 0xFF) == guest;
    }

    /// <inheritdoc/>
    public void Disabled(int guest, int port) => this[guest, MergeEngineOffsets.Port] = (PortDisabled << 8) | (uint)port;

    /// <inheritdoc/>
    public void Reset(int guest) => this[guest, MergeEngineOffsets.Port] = PortsReset << 8;

    private static int At(int slot, int register) => MergeEngineOffsets.FirstSlot + (slot * MergeEngineOffsets.SlotStride) + register;
}
