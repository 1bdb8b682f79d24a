using Dma.Machine;

namespace Dma.UsbDevice;

/// <summary>The function of a shared EHCI controller by which the host shares it out; see <see cref="EhciManagementOffsets"/> for its registers.</summary>
/// <remarks>It moves no data, so that it needs no way to memory but for the message of its interrupt. Its reset changes no register set.</remarks>
public sealed class EhciManagement : PciFunction
{
    private const uint NoSet = 0xFF;
    private const uint AdmittedNs = 100_000;
    private const uint QuantumNs = 16_000;
    private const uint QuantumNsMin = 1_000;
    private const uint QuantumNsMax = 1_000_000;

    private readonly EhciEngine _engine;
    private readonly SharedEhciOptions _options;
    private readonly IReadOnlyList<EhciInterface> _interfaces;
    private SharingPolicy _policy;
    private uint _quantumNs;
    private bool _interrupts;
    private uint _selected;

    internal EhciManagement(EhciEngine engine, SharedEhciOptions options, IReadOnlyList<EhciInterface> interfaces)
        : base(new PciIdentity(0x8086, 0x293D, 0x0C0380))
    {
        (_engine, _options, _interfaces) = (engine, options, interfaces);
        _engine.Held.Listed = RaiseNotice;
        AddMemoryBar(0, EhciManagementOffsets.WindowLength);
        AddInterruptPin(1);
        _ = AddCapability(new MsiCapability());
        _ = AddCapability(new PciExpressCapability(PciExpressType.RootComplexEndpoint));
        foreach (EhciRegisterSet set in engine.Sets)
            set.Share.PeriodicBudgetNs = AdmittedNs / (uint)engine.Sets.Count;
        OnReset();
    }

    private bool HasNotice => _engine.Held.TryNext(out _, out _);

    private ulong NoticedSetup => _engine.Held.TryNext(out int set, out byte address) ? _engine.Held[set, address].Setup.Raw.Value : 0;

    private ReadOnlySpan<byte> Selected =>
        _engine.Configurations is { } configurations ? configurations.Seen.Find((byte)(_selected & 0x7F), (byte)(_selected >> 8)) : default;

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width)
    {
        uint value = Read((int)offset & ~3);
        return (value >> (8 * ((int)offset & 3))) & RegisterFile.AllOnes(width);
    }

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        // Registers are doublewords; other accesses write nothing.
        if (width == sizeof(uint) && (offset & 3) == 0)
            Write((int)offset, (uint)value);
    }

    /// <inheritdoc/>
    protected override void OnReset()
    {
        (_interrupts, _selected) = (false, 0);
        Hold(false);
        (_policy, _quantumNs) = (_options.Policy, QuantumNs);
        ChoosePolicy();
        SetInterruptLevel(false);
    }

    private uint Read(int offset) => offset switch
    {
        EhciManagementOffsets.Id => EhciManagementOffsets.IdValue,
        EhciManagementOffsets.Counts => (uint)(_engine.Sets.Count | (_engine.Usb.Ports.Count << 8) | (_engine.Sets[0].Ports.Count << 16)
            | ((_engine.Sets[0].Ports.Count - _engine.Sets[0].Ports.RootCount) << 24)),
        EhciManagementOffsets.AddressCapability => _engine.Addresses is { } addresses
            ? 1 | ((uint)_options.Addresses.Assignment << 1) | ((uint)addresses.Table.StaticBits << 4)
            : 0,
        EhciManagementOffsets.Status => HasNotice ? 1u : 0,
        EhciManagementOffsets.InterruptEnable => _interrupts ? 1u : 0,
        EhciManagementOffsets.Policy => (uint)_policy,
        EhciManagementOffsets.Quantum => _quantumNs,
        EhciManagementOffsets.Notice => ReadNotice(),
        EhciManagementOffsets.SetupLow => (uint)NoticedSetup,
        EhciManagementOffsets.SetupHigh => (uint)(NoticedSetup >> 32),
        EhciManagementOffsets.Hold => _engine.Configurations is { AreHeld: true } ? 1u : 0,
        EhciManagementOffsets.Fetch => _options.Sets.FetchNs,
        EhciManagementOffsets.ConfigurationSelect => _selected,
        EhciManagementOffsets.ConfigurationLength => (uint)Selected.Length,
        EhciManagementOffsets.ConfigurationData => ReadConfiguration(),
        EhciManagementOffsets.AddressZero => _engine.Addresses is { } replaced
            ? (byte)replaced.Zero.Owner | ((uint)replaced.Zero.Waiting << 8)
            : NoSet,
        >= EhciManagementOffsets.FirstAddress => ReadAddress((offset - EhciManagementOffsets.FirstAddress) / 4),
        >= EhciManagementOffsets.FirstPort => ReadPort((offset - EhciManagementOffsets.FirstPort) / 4),
        >= EhciManagementOffsets.FirstSet => ReadSet(offset - EhciManagementOffsets.FirstSet),
        _ => 0,
    };

    private void Write(int offset, uint value)
    {
        switch (offset)
        {
            case EhciManagementOffsets.InterruptEnable:
                _interrupts = (value & 1) != 0;
                SetInterruptLevel(_interrupts && HasNotice);
                break;
            case EhciManagementOffsets.Policy when (value & 7) <= (uint)SharingPolicy.Weighted:
                _policy = (SharingPolicy)(value & 7);
                ChoosePolicy();
                break;
            case EhciManagementOffsets.Quantum:
                _quantumNs = Math.Clamp(value, QuantumNsMin, QuantumNsMax);
                ChoosePolicy();
                break;
            case EhciManagementOffsets.Notice:
                _engine.Held.TakeNext();
                SetInterruptLevel(_interrupts && HasNotice);
                break;
            case EhciManagementOffsets.Answer when ((value >> 8) & 0xFF) < _engine.Sets.Count:
                _engine.Held.Answer((int)((value >> 8) & 0xFF), (byte)((value >> 16) & 0x7F), (HeldState)((value >> 24) & 7), (byte)(value & 0x7F));
                SetInterruptLevel(_interrupts && HasNotice);
                break;
            case EhciManagementOffsets.Hold:
                Hold((value & 1) != 0);
                break;
            case EhciManagementOffsets.ConfigurationSelect:
                _selected = value;
                break;
            case >= EhciManagementOffsets.FirstPort and < EhciManagementOffsets.FirstAddress:
                WritePort((offset - EhciManagementOffsets.FirstPort) / 4, value & 0xFF);
                break;
            case >= EhciManagementOffsets.FirstSet and < EhciManagementOffsets.FirstPort:
                WriteSet(offset - EhciManagementOffsets.FirstSet, value);
                break;
            default:
                break;
        }
    }

    private uint ReadNotice()
    {
        if (!_engine.Held.TryNext(out int set, out byte address))
            return 0;
        uint real = _engine.Addresses?.Table.Find(set, address) ?? 0u;
        HeldRequest held = _engine.Held[set, address];
        return (1u << 31) | (held.IsSplit ? 1u << 27 : 0) | ((uint)held.State << 24) | (real << 16) | ((uint)set << 8) | address;
    }

    private uint ReadConfiguration()
    {
        ReadOnlySpan<byte> bytes = Selected;
        uint value = 0;
        for (int index = 0; index < sizeof(uint); index++)
        {
            int at = (int)(_selected >> 16) + index;
            value |= at < bytes.Length ? (uint)bytes[at] << (8 * index) : 0;
        }

        return value;
    }

    private uint ReadAddress(int address)
    {
        if (address >= UsbBus.AddressCount || _engine.Addresses is not { } addresses)
            return 0;
        AddressEntry entry = addresses.Table.EntryOf((byte)address);
        uint port = (byte)addresses.Table.PlaceOf((byte)address).Port;
        return ((uint)entry.State << 30) | (port << 16) | ((uint)entry.Set << 8) | entry.Virtual;
    }

    private uint ReadPort(int port) => port >= _engine.Usb.Ports.Count ? 0 : (uint?)_engine.RootHub.OwnerOf(port)?.Number ?? NoSet;

    private void WritePort(int port, uint owner)
    {
        if (port >= _engine.Usb.Ports.Count || (owner >= _engine.Sets.Count && owner != NoSet))
            return;
        EhciRegisterSet? set = owner == NoSet ? null : _engine.Sets[(int)owner];

        // A place of a set shows one port; it must be empty before another is put there.
        if (set is null || !_engine.RootHub.IsPlaceTaken(set, port))
            _engine.RootHub.Give(port, set);
    }

    private uint ReadSet(int offset)
    {
        int number = offset / EhciManagementOffsets.SetStride;
        if (number >= _engine.Sets.Count)
            return 0;
        EhciRegisterSet set = _engine.Sets[number];
        return (offset % EhciManagementOffsets.SetStride) switch
        {
            EhciManagementOffsets.Budget => set.Share.PeriodicBudgetNs,
            EhciManagementOffsets.Weight => (uint)set.Share.Weight,
            EhciManagementOffsets.State => (set.IsRunning ? 1u : 0) | (set.IsDead ? 2u : 0),
            EhciManagementOffsets.Used => (uint)(set.Statistics.WireNs / 1000),
            EhciManagementOffsets.Requester => _interfaces[number].Source.Value,
            EhciManagementOffsets.CutOffs => (uint)set.Statistics.PeriodicCutOffs,
            _ => 0,
        };
    }

    private void WriteSet(int offset, uint value)
    {
        int number = offset / EhciManagementOffsets.SetStride;
        if (number >= _engine.Sets.Count)
            return;
        BusShare share = _engine.Sets[number].Share;
        switch (offset % EhciManagementOffsets.SetStride)
        {
            case EhciManagementOffsets.Budget:
                share.PeriodicBudgetNs = Math.Min(value, WireTime.MicroframeNs);
                break;
            case EhciManagementOffsets.Weight:
                share.Weight = Math.Max((int)(value & 0xFF), 1);
                break;
            default:
                break;
        }
    }

    private void ChoosePolicy()
    {
        // Nobody keeps what the policy before left him.
        foreach (EhciRegisterSet set in _engine.Sets)
            set.Share.DeficitNs = 0;
        _engine.Turns.Policy = _policy switch
        {
            SharingPolicy.Sequential => new SequentialTurns(),
            SharingPolicy.RoundRobinByTransaction => new TransactionTurns(),
            SharingPolicy.RoundRobinByPass => new PassTurns(),
            SharingPolicy.DeficitRoundRobin => new DeficitTurns(_quantumNs, isWeighted: false),
            _ => new DeficitTurns(_quantumNs, isWeighted: true),
        };
    }

    private void Hold(bool isOn)
    {
        if (_engine.Configurations is { } configurations)
            configurations.AreHeld = isOn;
    }

    private void RaiseNotice()
    {
        if (!_interrupts)
            return;
        SetInterruptLevel(true);
        RaiseInterrupt();
    }
}
