using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What a guest sees of a device that is assigned to it: a function in its own PCI hierarchy.</summary>
/// <remarks>
/// Virtual are the header, with BARs and command register; MSI, whose message the guest chooses while the real one goes
/// to the host; and PCI Express, of which the guest sees a device inside the root complex that can be reset. Other
/// capabilities are hidden: they change power, errors or tables that are the host's. Registers of the device itself,
/// from 40h on, are passed through. Of the command register one bit reaches the device: it is bus master when the guest
/// says so. Behind the BARs, the table and the pending bits of MSI-X read as zeros and ignore writes.
/// </remarks>
internal sealed class AssignedFunction : PciFunction
{
    private const int MsiControl = 2;
    private const int DwordBytes = 4;

    private readonly RealFunction _real;
    private readonly Dictionary<int, IReadOnlyList<(ulong First, ulong Length)>> _hostRegisters;
    private readonly RegisterPages[] _pages;
    private MsiCapability? _messages;

    /// <summary>What a guest will see, not plugged in yet.</summary>
    /// <param name="real">The device.</param>
    /// <param name="memory">The guest's memory.</param>
    /// <param name="trapsRegisters">Whether each access behind a BAR exits, so that the guest gets no page of registers.</param>
    public AssignedFunction(RealFunction real, GuestMemory memory, bool trapsRegisters)
        : base(real.Identity)
    {
        _real = real;
        _hostRegisters = real.Bars.ToDictionary(
            bar => bar.Index,
            IReadOnlyList<(ulong, ulong)> (bar) => [.. real.HostRegisters.Where(stretch => stretch.Bar == bar.Index).Select(stretch => (stretch.First, stretch.Length))]);
        foreach (PciBarInfo bar in real.Bars)
            AddMemoryBar(bar.Index, bar.Length, bar.Is64Bit, bar.Prefetchable);
        _pages = trapsRegisters ? [] : [.. real.Bars.Select(bar => new RegisterPages(memory, bar, _hostRegisters[bar.Index]))];
        bool[] taken = AddCapabilities();
        for (int offset = PciOffset.AfterHeader; offset < PciOffset.Extended; offset += DwordBytes)
        {
            if (!taken[offset / DwordBytes])
                AddRegister(new(offset, DwordBytes, $"DEV{offset:X2}", new(real.Space.Read32(offset), Writable: uint.MaxValue)));
        }
    }

    /// <summary>The BARs whose registers the guest reaches without an exit.</summary>
    public IEnumerable<int> MappedBars => _pages.Where(pages => pages.IsMapped).Select(pages => pages.Bar.Index);

    /// <summary>Who is told where the guest wants the interrupt to go; null for nowhere, as while it is masked.</summary>
    public Action<MessageInterrupt?>? MessageMoved { get; set; }

    /// <summary>The device raised its interrupt on the host: here it is on its way to the guest.</summary>
    public void Interrupt() => RaiseInterrupt();

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width) => IsOfHost(bar, offset, width) ? 0 : _real.ReadBar(bar, offset, width);

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        if (!IsOfHost(bar, offset, width))
            _real.WriteBar(bar, offset, width, value);
    }

    /// <summary>Takes the pages of registers out of the guest, once it is pulled out; also where that broke off before.</summary>
    public void Unmap()
    {
        foreach (RegisterPages pages in _pages)
            pages.Follow(null);
    }

    /// <inheritdoc/>
    protected override void OnReset()
    {
        _real.ResetForGuest();
        foreach (Register register in Configuration.Registers)
        {
            if (register.Name.StartsWith("DEV", StringComparison.Ordinal))
                SetRegister(register.Offset, _real.Space.Read32(register.Offset));
        }
    }

    /// <inheritdoc/>
    protected override void OnRefresh()
    {
        foreach (RegisterPages pages in _pages)
            pages.Follow(Bus is null ? null : DecodedAt(pages.Bar.Index));
        bool isMaster = Bus is not null && (Command & PciCommand.BusMaster) != 0;
        _real.SetBusMaster(isMaster);
        MessageMoved?.Invoke(isMaster ? _messages?.MessageOf(0) : null);
    }

    /// <inheritdoc/>
    protected override void ConfigurationWritten(in RegisterWrite write)
    {
        // In accesses as wide as the guest's own, or byte by byte where it wrote an odd part.
        if (write.EnabledBytes == uint.MaxValue)
        {
            _real.Space.Write32(write.Offset, (uint)write.After);
        }
        else
        {
            for (int at = 0; at < DwordBytes; at++)
            {
                if ((byte)(write.EnabledBytes >> (8 * at)) != 0)
                    _real.Space.Write8(write.Offset + at, (byte)(write.After >> (8 * at)));
            }
        }

        SetRegister(write.Offset, _real.Space.Read32(write.Offset));
    }

    private bool IsOfHost(int bar, ulong offset, int width) =>
        _hostRegisters.TryGetValue(bar, out IReadOnlyList<(ulong First, ulong Length)>? stretches) && RegisterPages.IsTrapped(stretches, offset, (ulong)width);

    // Adds the virtual capabilities, and tells which doublewords are not the device's own.
    private bool[] AddCapabilities()
    {
        bool[] taken = new bool[PciOffset.Extended / DwordBytes];
        foreach ((PciCapabilityId id, int offset) in _real.Capabilities.OrderBy(capability => capability.Offset))
        {
            int length = CapabilityLength.Of(_real, id, offset);
            Array.Fill(taken, true, offset / DwordBytes, Math.Min((length + DwordBytes - 1) / DwordBytes, taken.Length - (offset / DwordBytes)));
            if (id == PciCapabilityId.Msi)
            {
                ushort control = _real.Space.Read16(offset + MsiControl);
                _messages = AddCapability(new MsiCapability(vectors: 1, (control & (1 << 7)) != 0, (control & (1 << 8)) != 0), offset);
            }
            else if (id == PciCapabilityId.PciExpress && length == CapabilityLength.Express)
            {
                _ = AddCapability(new PciExpressCapability(PciExpressType.RootComplexEndpoint, _real.Reset.IsOwn), offset);
            }
        }

        return taken;
    }
}
