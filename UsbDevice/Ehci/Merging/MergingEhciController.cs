using Dma.Machine;

namespace Dma.UsbDevice;

/// <summary>An ordinary EHCI controller with a merge engine between it and the bus: it runs the schedules of several VMs as if they were one.</summary>
/// <remarks>
/// Its function has the registers of the controller behind BAR 0 and those of the engine behind BAR 2, both for the host alone. The engine
/// reaches the memory of each VM through a <see cref="MergeLane"/>, a function with a requester id of its own. Plug all of them into a bus.
/// </remarks>
public sealed class MergingEhciController : EhciFunction
{
    private const int SlotsMax = 64;
    private const int FunctionsMax = 8;

    private readonly Parts _parts;
    private readonly MergeEngineRegisters _registers;

    /// <summary>A controller; plug it into a bus.</summary>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="options">How it is built.</param>
    public MergingEhciController(EventLoop loop, MergingEhciOptions? options = null)
        : this(new Parts(loop, Check(options)))
    {
    }

    private MergingEhciController(Parts parts)
        : base(parts.Controller, parts.Options.Controller, new PciIdentity(0x8086, 0x293F, 0x0C0320), parts.Engine)
    {
        _parts = parts;
        for (int port = 0; port < parts.Options.Controller.PortCount; port++)
            Engine.RootHub.Give(port, Set);
        _registers = new(parts.Engine, parts.Options, parts.Lanes);
        parts.Engine.Noticed = () => RaiseInterrupt();
        AddMemoryBar(MergeEngineOffsets.Bar, MergeEngineOffsets.WindowLength);
    }

    /// <summary>How it is built.</summary>
    public MergingEhciOptions Options => _parts.Options;

    /// <summary>The functions under whose names memory of VMs is reached, by slot.</summary>
    public IReadOnlyList<MergeLane> Lanes => _parts.Lanes;

    /// <summary>Who sees what the controller fetches, or null.</summary>
    public IMergeObserver? Observer
    {
        get => _parts.Engine.Observer;
        set => _parts.Engine.Observer = value;
    }

    /// <summary>Plugs all its functions into a bus.</summary>
    /// <param name="host">The root of the hierarchy.</param>
    /// <param name="device">The device number of the controller; those of the lanes follow, eight functions to each.</param>
    public void PlugInto(PciHost host, int device)
    {
        host.Add(this, device);
        for (int slot = 0; slot < Lanes.Count; slot++)
            host.Add(Lanes[slot], device + 1 + (slot / FunctionsMax), slot % FunctionsMax);
    }

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width) =>
        bar == MergeEngineOffsets.Bar ? _registers.Read(offset, width) : base.ReadBar(bar, offset, width);

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        if (bar == MergeEngineOffsets.Bar)
            _registers.Write(offset, width, value);
        else
            base.WriteBar(bar, offset, width, value);
    }

    /// <inheritdoc/>
    protected override void OnReset()
    {
        foreach (MergeSlot slot in _parts.Engine.Slots)
        {
            slot.Reset();
            _parts.Engine.Addresses.Reset(slot.Number);
        }

        base.OnReset();
    }

    private static MergingEhciOptions Check(MergingEhciOptions? options)
    {
        MergingEhciOptions chosen = options ?? new();
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)chosen.SlotCount - 1, (uint)SlotsMax - 1, nameof(options));
        _ = EhciOptions.Check(chosen.Controller);
        return chosen.Controller.Addresses64Bit
            ? chosen
            : throw new ArgumentException("The engine tells structures from buffers by the upper half of their addresses.", nameof(options));
    }

    /// <summary>What there is before the function.</summary>
    private sealed class Parts : IAddressedBus
    {
        private const uint ZeroMovedBit = 1 << 2;
        private const uint ShutBit = 1 << 3;

        public Parts(EventLoop loop, MergingEhciOptions options)
        {
            Options = options;
            Controller = new(loop, options.Controller.PortCount, options.Controller);
            Lanes = [.. Enumerable.Range(0, options.SlotCount).Select(static _ => new MergeLane())];
            Engine = new(loop, Controller.Usb.Frames, options, Lanes, this);
        }

        public MergingEhciOptions Options { get; }

        public EhciEngine Controller { get; }

        public IReadOnlyList<MergeLane> Lanes { get; }

        public MergeEngine Engine { get; }

        public void ZeroMoved(int owner)
        {
            if (owner >= 0)
                Engine.Slots[owner].Post(ZeroMovedBit);
        }

        public void Shut(int set, int port)
        {
            MergeSlot slot = Engine.Slots[set];
            slot.Shut |= port < 0 ? uint.MaxValue : 1u << port;
            slot.Post(ShutBit);
        }
    }
}
