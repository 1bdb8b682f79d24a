using System.Buffers.Binary;
using System.Numerics;

namespace Dma.Machine;

/// <summary>A function on a PCI bus: its configuration space, what follows from it, and what the device itself adds.</summary>
/// <remarks>
/// A device derives from it, declares BARs and capabilities in its constructor, answers at its BARs and moves data
/// through <see cref="Dma"/>. Whether the bus lets a request, a message or an access through is decided here, from
/// registers alone: nothing is remembered that software could not read back.
/// </remarks>
public abstract class PciFunction
{
    private const int BarsMax = 6;

    private readonly List<PciBar> _bars = [];
    private readonly List<PciCapability> _capabilities = [];
    private readonly MasterPort _port;
    private readonly List<MasterPort> _forgedPorts = [];
    private readonly BarWindows _windows;
    private readonly InterruptPin _pin;
    private MsiCapability? _msi;
    private MsixCapability? _msix;
    private IDeviceTlb? _deviceTlb;
    private (IDmaFabric Fabric, SourceId Requester)? _connection;

    /// <summary>An ordinary function, with a type 0 header.</summary>
    protected PciFunction(PciIdentity identity)
        : this(PciHeader.Function(identity))
    {
    }

    private protected PciFunction(IEnumerable<Register> header)
    {
        Configuration = new(header, new Effects(this));
        _port = new(this);
        _windows = new(this);
        _pin = new(this);
    }

    /// <summary>Its configuration space.</summary>
    public ConfigurationSpace Configuration { get; }

    /// <summary>The bus that it is plugged into, or null.</summary>
    public PciBus? Bus { get; private set; }

    /// <summary>Bits 7:3 its device number, bits 2:0 its function number on that bus.</summary>
    public byte DeviceFunction { get; private set; }

    /// <summary>Where it is: the number that the bus has now, and its place on it. Zero while it is not plugged in.</summary>
    public SourceId Source => Bus is { } bus ? new((ushort)((bus.Number << 8) | DeviceFunction)) : default;

    /// <summary>
    /// Under which source-id its requests reach the root: its own, unless a bridge to a conventional bus stands between.
    /// </summary>
    public SourceId Requester => Bus?.RequesterOf(Source) ?? default;

    /// <summary>Its capabilities, in the order of the list.</summary>
    public IReadOnlyList<PciCapability> Capabilities => _capabilities;

    /// <summary>The command register.</summary>
    public PciCommand Command => (PciCommand)Configuration[PciOffset.Command];

    /// <summary>Its PCI Express capability, or null.</summary>
    public PciExpressCapability? Express { get; private set; }

    /// <summary>Who else follows its BARs; told when the command register, a BAR or its place may have changed. Null for nobody.</summary>
    public Action? Refreshed { get; set; }

    /// <summary>Told of each access that comes over the bus to a BAR, before the function answers; null for nobody.</summary>
    public Action? Accessed { get; set; }

    internal IReadOnlyList<PciBar> Bars => _bars;

    internal bool SendsMessages => _msi is { IsEnabled: true } || _msix is { IsEnabled: true };

    /// <summary>Its way into memory; refuses with <see cref="DmaStatus.NotMaster"/> while Bus Master Enable is off.</summary>
    /// <remarks>A read that the bus refuses sets Received Master Abort; a refused write leaves no trace in the function.</remarks>
    protected IDmaPort Dma => _port;

    /// <summary>Reads a register behind a BAR.</summary>
    /// <param name="bar">0 to 5.</param>
    /// <param name="offset">Bytes from the start of the BAR, below its size.</param>
    /// <param name="width">1, 2, 4 or 8 bytes.</param>
    public abstract ulong ReadBar(int bar, ulong offset, int width);

    /// <summary>Writes a register behind a BAR.</summary>
    /// <inheritdoc cref="ReadBar(int, ulong, int)"/>
    public abstract void WriteBar(int bar, ulong offset, int width, ulong value);

    /// <summary>The size of a memory BAR in bytes, 0 where there is none.</summary>
    public ulong BarSize(int bar) => _bars.Find(other => other.Index == bar).Size;

    /// <summary>Where a memory BAR answers now; null where it does not, because there is none or memory space is off.</summary>
    /// <param name="bar">0 to 5.</param>
    public ulong? DecodedAt(int bar) =>
        Bus is { IsHeldInReset: false } && (Command & PciCommand.MemorySpace) != 0 && _bars.Find(other => other.Index == bar) is { Size: > 0 } found
            ? found.Address(Configuration)
            : null;

    /// <summary>Power-on or bus reset: every register and the device go back to where they started.</summary>
    public void Reset() => Reset(warm: false);

    /// <summary>Function-level reset: as a reset, but what belongs to the link stays (PCI Express base, 6.6.2).</summary>
    public void ResetFunction() => Reset(warm: true);

    /// <summary>The function was reset: the device stops what it does, forgets everything and lets its interrupt fall.</summary>
    protected abstract void OnReset();

    /// <summary>The command register, a BAR, where messages go, or the function's place may have changed, and what follows from them.</summary>
    protected virtual void OnRefresh()
    {
    }

    /// <summary>Software wrote a register that <see cref="AddRegister"/> declared.</summary>
    protected virtual void ConfigurationWritten(in RegisterWrite write)
    {
    }

    /// <summary>Declares a memory BAR.</summary>
    /// <param name="index">The first register it takes, 0 to 5.</param>
    /// <param name="size">Bytes, a power of two from 16 on; below 4 GiB for a 32-bit BAR.</param>
    /// <param name="is64Bit">Whether it takes two registers.</param>
    /// <param name="prefetchable">Whether reads have no side effects.</param>
    protected void AddMemoryBar(int index, ulong size, bool is64Bit = false, bool prefetchable = false)
    {
        if (!BitOperations.IsPow2(size) || size < 16 || (!is64Bit && size > 1ul << 31))
            throw new ArgumentOutOfRangeException(nameof(size), "A power of two from 16 on; at most 2 GiB in a 32-bit BAR.");
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)index, (uint)(is64Bit ? BarsMax - 2 : BarsMax - 1), nameof(index));
        PciBar bar = new(index, size, is64Bit, prefetchable);
        foreach (Register register in bar.Registers)
            Configuration.Add(register);
        _bars.Add(bar);
    }

    /// <summary>Declares the pin of its INTx interrupt.</summary>
    /// <param name="pin">1 to 4 for INTA to INTD.</param>
    protected void AddInterruptPin(int pin)
    {
        if (pin is < 1 or > 4)
            throw new ArgumentOutOfRangeException(nameof(pin), "1 to 4 for INTA to INTD.");
        Configuration.Add(new(PciOffset.InterruptPin, 1, "INTP", new((ulong)pin)));
    }

    /// <summary>Declares a configuration register of the device's own, from 40h on.</summary>
    protected void AddRegister(in Register register)
    {
        if (register.Offset < PciOffset.AfterHeader || !IsFree(register.Offset, register.Width))
            throw new ArgumentException($"There is no room for {register.Name} at {register.Offset:X}h.");
        Configuration.Add(register);
    }

    /// <summary>Puts a value into a configuration register of the device's own, past all masks.</summary>
    protected void SetRegister(int offset, ulong value) => Configuration[offset] = value;

    /// <summary>Adds a capability at the end of the list.</summary>
    /// <param name="capability">The capability; PCI Express before extended ones.</param>
    /// <param name="offset">Where, a multiple of 4; 0 for the first place that is free.</param>
    /// <returns>The capability.</returns>
    protected T AddCapability<T>(T capability, int offset = 0)
        where T : PciCapability
    {
        if (capability is PciExpressCapability)
            Configuration.Length = PciOffset.End;
        (int first, int end) = capability.IsExtended
            ? (PciOffset.Extended, Configuration.Length)
            : (PciOffset.AfterHeader, PciOffset.Extended);
        bool hasOthers = _capabilities.Exists(other => other.IsExtended == capability.IsExtended);
        if (offset == 0)
            offset = FindFree(first, capability.Length, end);
        if ((capability.IsExtended && !hasOthers && offset != first) || offset < first || (offset & 3) != 0
            || offset > end - capability.Length || !IsFree(offset, capability.Length))
            throw new ArgumentException($"There is no room for capability {capability.Id:X}h.");

        capability.Place(this, offset);
        Configuration.Add(new(offset, capability.IsExtended ? 4 : 2, "CAPH", HeaderRule(capability, next: 0)));
        foreach (Register register in capability.Registers)
            Configuration.Add(register with { Offset = offset + register.Offset });
        Link(capability);
        _capabilities.Add(capability);
        _msi ??= capability as MsiCapability;
        _msix ??= capability as MsixCapability;
        Express ??= capability as PciExpressCapability;
        return capability;
    }

    /// <summary>Sends the message of an interrupt vector, by MSI-X or else MSI; nothing happens where both are off.</summary>
    /// <param name="vector">Which one, from 0 on, below the number of vectors that the capability has.</param>
    protected void RaiseInterrupt(int vector = 0)
    {
        if (_msix is { IsEnabled: true })
            _msix.Raise(vector);
        else if (_msi is { IsEnabled: true })
            _msi.Raise(vector);
    }

    /// <summary>A way into memory whose requests name another requester than the function, as a device does that lies.</summary>
    /// <remarks>
    /// Nothing in a device keeps it from this. What stops it is a port above with source validation
    /// (<see cref="AccessControls.SourceValidation"/>), where the requester has a bus number that is not below that port;
    /// and bridges to conventional buses, which put their own name on everything.
    /// </remarks>
    /// <param name="claimed">Whom the requests name; null for whoever the function is at the time.</param>
    protected IDmaPort OpenForged(SourceId? claimed)
    {
        MasterPort port = new(this, claimed);
        port.Refresh();
        _forgedPorts.Add(port);
        return port;
    }

    /// <summary>Gives a port up that <see cref="OpenForged"/> opened.</summary>
    protected void CloseForged(IDmaPort port) => _forgedPorts.RemoveAll(other => other == port);

    /// <summary>Says who in the device answers invalidations and page responses, which find it under its source-id wherever it is.</summary>
    protected void ConnectDeviceTlb(IDeviceTlb deviceTlb)
    {
        _deviceTlb = deviceTlb;
        ConnectDeviceTlb();
    }

    /// <summary>Says whether the device wants its INTx interrupt now; the pin follows unless INTx is disabled or messages are on.</summary>
    protected void SetInterruptLevel(bool asserted)
    {
        if (_pin.IsWanted == asserted)
            return;
        _pin.IsWanted = asserted;
        Configuration[PciOffset.Status] = (Configuration[PciOffset.Status] & ~(ulong)PciStatus.InterruptStatus)
            | (asserted ? (ulong)PciStatus.InterruptStatus : 0);
        _pin.Refresh();
    }

    /// <summary>Brings everything that follows from registers and place up to date.</summary>
    internal virtual void Refresh()
    {
        _port.Refresh();
        foreach (MasterPort port in _forgedPorts)
            port.Refresh();
        ConnectDeviceTlb();
        _windows.Refresh();
        _pin.Refresh();
        OnRefresh();
        Refreshed?.Invoke();
    }

    internal void Plug(PciBus bus, byte deviceFunction)
    {
        if (Bus is not null)
            throw new InvalidOperationException($"The function is already plugged in at {Source}.");
        (Bus, DeviceFunction) = (bus, deviceFunction);
        Refresh();
    }

    internal void Unplug()
    {
        Bus = null;
        Refresh();
    }

    internal bool IsMaster => Bus is { Host: not null, IsHeldInReset: false } && (Command & PciCommand.BusMaster) != 0;

    internal void SendMessage(ulong address, uint data)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, data);
        _ = _port.Write(new(address), bytes);
    }

    internal void RecordRefusal(bool posted, bool isAborted)
    {
        if (!posted)
            Configuration[PciOffset.Status] |= (ulong)(isAborted ? PciStatus.ReceivedTargetAbort : PciStatus.ReceivedMasterAbort);
    }

    internal ulong ReadFromBus(int bar, ulong offset, int width)
    {
        Accessed?.Invoke();
        return _msix is not null && _msix.TryRead(bar, offset, width, out ulong value) ? value : ReadBar(bar, offset, width);
    }

    internal void WriteFromBus(int bar, ulong offset, int width, ulong value)
    {
        Accessed?.Invoke();
        if (_msix is null || !_msix.TryWrite(bar, offset, width, value))
            WriteBar(bar, offset, width, value);
    }

    /// <summary>Marks the device as one with several functions.</summary>
    internal void SetMultiFunction() =>
        Configuration.Redefine(PciOffset.HeaderType, new((Configuration[PciOffset.HeaderType]) | PciHeader.MultiFunction));

    private protected virtual void HeaderWritten(in RegisterWrite write)
    {
        if (write.Offset is PciOffset.Command or (>= PciOffset.Bar0 and < PciOffset.Bar0 + (4 * BarsMax)))
            Refresh();
    }

    // Messages from the root are routed by the source-id, so they arrive where the function is.
    private void ConnectDeviceTlb()
    {
        (IDmaFabric, SourceId)? now = _deviceTlb is not null && Bus is { Host: { } host, IsHeldInReset: false } ? (host.Fabric, Requester) : null;
        if (now == _connection)
            return;
        _connection?.Fabric.Connect(_connection.Value.Requester, null);
        _connection = now;
        _connection?.Fabric.Connect(_connection.Value.Requester, _deviceTlb);
    }

    private void Reset(bool warm)
    {
        Configuration.Reset(warm);
        _pin.IsWanted = false;
        foreach (PciCapability capability in _capabilities)
            capability.OnReset();
        Refresh();
        OnReset();
    }

    private void Written(in RegisterWrite write)
    {
        if (write.Offset < PciOffset.AfterHeader)
        {
            HeaderWritten(write);
            return;
        }

        foreach (PciCapability capability in _capabilities)
        {
            if ((uint)(write.Offset - capability.Offset) < (uint)capability.Length)
            {
                capability.Written(write with { Offset = write.Offset - capability.Offset });
                if (capability == _msi)
                    OnRefresh();
                return;
            }
        }

        ConfigurationWritten(write);
    }

    private int FindFree(int first, int length, int end)
    {
        int offset = first;
        while (offset <= end - length && !IsFree(offset, length))
            offset += 4;
        return offset;
    }

    // A capability owns all its bytes, those without a register too.
    private bool IsFree(int offset, int length)
    {
        for (int at = offset; at < offset + length; at++)
        {
            if (Configuration.Covers(at))
                return false;
        }

        return !_capabilities.Exists(other => offset < other.Offset + other.Length && other.Offset < offset + length);
    }

    private void Link(PciCapability capability)
    {
        PciCapability? previous = _capabilities.FindLast(other => other.IsExtended == capability.IsExtended);
        if (previous is not null)
            Configuration.Redefine(previous.Offset, HeaderRule(previous, capability.Offset));
        else if (!capability.IsExtended)
        {
            Configuration.Redefine(PciOffset.CapabilityPointer, new((ulong)capability.Offset));
            Configuration.Redefine(PciOffset.Status, PciHeader.StatusRule(hasCapabilities: true));
        }
    }

    private static RegisterRule HeaderRule(PciCapability capability, int next) => capability is PciExtendedCapability extended
        ? new(new Bits64(0).With(15, 0, (uint)extended.Id).With(19, 16, (uint)extended.Version).With(31, 20, (uint)next).Value)
        : new(new Bits64(0).With(7, 0, (uint)capability.Id).With(15, 8, (uint)next).Value);

    private sealed class Effects(PciFunction function) : IRegisterEffects
    {
        public void Written(in RegisterWrite write) => function.Written(write);
    }
}
