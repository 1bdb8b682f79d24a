using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>How software of a VM drives the remapping unit that the VM has: by registers, tables at fixed places, nothing else.</summary>
/// <remarks>
/// <code>
///   page 0  root table     page 1  context table, the same for all devices     up to page 5  one table for each level, top first
///   page 6  invalidation queue     page 7  where waits are answered
/// </code>
/// The lowest table maps the first pages of device addresses to pages of the VM, from <see cref="FirstTarget"/> on.
/// </remarks>
/// <param name="world">The world.</param>
/// <param name="guest">The VM.</param>
/// <param name="machine">Its machine, which has a unit.</param>
internal sealed class GuestIommu(IsolationWorld world, WorldGuest guest, VirtualMachine machine)
{
    /// <summary>How many device addresses are mapped to begin with.</summary>
    public const int PagesMapped = 4;

    /// <summary>The page of the lowest table.</summary>
    public const int LeafTable = 5;

    /// <summary>The page of the invalidation queue; the one behind it has the answers.</summary>
    public const int QueuePage = 6;

    /// <summary>Pages that a VM has at least, to have room for tables.</summary>
    public const int PagesMin = 16;

    /// <summary>The page to which the first device address leads.</summary>
    public const int FirstTarget = 8;

    private const ulong PageBytes = 4096;
    private const ulong ContextTable = 1;
    private const int PlacesMax = WorldProgram.DevicesMax + 1;
    private const int WaitsMax = 200;
    private const ulong WaitNs = 2_000;

    private static readonly DomainId _domain = new(1);

    private ulong _tail;
    private uint _number;

    /// <summary>Whether the unit translates by the tables at these places, and by nothing else that software may have told it.</summary>
    public bool IsKnown { get; set; }

    /// <summary>The unit, as the VM sees it.</summary>
    public HardwareProfile Profile => machine.Iommu!.Profile;

    /// <summary>How many pages the VMM refused to map.</summary>
    public ulong PagesRefused => machine.Iommu!.PagesRefused;

    private bool UsesQueue => Profile.ExtendedCapabilities.QueuedInvalidation;

    private ulong TopTable => LeafTable + 1 - Levels;

    private ulong Levels => Profile.Supports(AddressWidth.Bits48) ? 4u : 3u;

    /// <summary>Writes tables, and lets the unit translate by them, whatever it did before.</summary>
    public void Wake()
    {
        Write(0, new RootEntry { Present = true, ContextTable = new(ContextTable * PageBytes) }.Raw);
        ContextEntry context = new()
        {
            Present = true,
            SecondStageTable = new(TopTable * PageBytes),
            AddressWidth = (AddressWidth)(Levels - 2),
            DomainId = _domain,
        };
        for (int device = 1; device <= PlacesMax; device++)
            Write((ContextTable * PageBytes) + (16ul * new SourceId(0, device, 0).DeviceFunction), context.Raw);
        for (ulong table = TopTable; table < LeafTable; table++)
            SetEntry(table, 0, (table + 1) * PageBytes, DmaDirection.Bidirectional);
        for (ulong page = 0; page < PagesMapped; page++)
            SetEntry(LeafTable, page, (FirstTarget + page) * PageBytes, DmaDirection.Bidirectional);
        IsKnown = Command(default) && StartQueue() && SetRoot()
            && Invalidate(ContextGranularity.Global, IotlbGranularity.Global, 0)
            && Command(new() { TranslationEnable = true, QueuedInvalidationEnable = UsesQueue });
    }

    /// <summary>Changes an entry of a table of translations.</summary>
    /// <param name="table">The page in which the table is.</param>
    /// <param name="index">Which entry.</param>
    /// <param name="target">The page that it leads to.</param>
    /// <param name="direction">What devices may do there.</param>
    public void SetEntry(ulong table, ulong index, ulong target, DmaDirection direction)
    {
        SecondStageEntry entry = new()
        {
            Address = new(target & 0x000F_FFFF_FFFF_F000),
            Read = (direction & DmaDirection.ToDevice) != 0,
            Write = (direction & DmaDirection.FromDevice) != 0,
        };
        byte[] bytes = BitConverter.GetBytes(entry.Raw.Value);
        world.ActAs(guest, () => machine.Cpu.TryWrite(new((table * PageBytes) + (index * sizeof(ulong))), bytes));
    }

    /// <summary>Tells the unit what changed, by its queue where it has one, and waits for it.</summary>
    /// <returns><c>false</c> where it did not answer.</returns>
    public bool Invalidate(ContextGranularity contexts, IotlbGranularity pages, ulong address)
    {
        // What the VMM does not take notice of is as if it had not been said.
        if (world.Program.Without.Contains(Protection.Shadow) && IsKnown)
            return true;
        if (pages == IotlbGranularity.Page && !Profile.Capabilities.PageSelectiveInvalidation)
            pages = IotlbGranularity.Domain;
        address &= ~(PageBytes - 1);
        return UsesQueue ? InvalidateByQueue(contexts, pages, address) : InvalidateByRegister(contexts, pages, address);
    }

    private bool InvalidateByQueue(ContextGranularity contexts, IotlbGranularity pages, ulong address)
    {
        const ulong answer = (QueuePage + 1) * PageBytes;
        _number++;
        Submit(new ContextCacheDescriptor { Type = InvalidationDescriptorType.ContextCache, Granularity = contexts, DomainId = _domain }.Raw);
        Submit(new IotlbDescriptor { Type = InvalidationDescriptorType.Iotlb, Granularity = pages, DomainId = _domain, Address = new(address) }.Raw);
        Submit(new WaitDescriptor { Type = InvalidationDescriptorType.Wait, StatusWrite = true, StatusData = _number, StatusAddress = new(answer) }.Raw);
        Store(RegisterOffsets.InvalidationQueueTail, 8, _tail);
        byte[] found = new byte[sizeof(uint)];
        return Wait(() => machine.Cpu.TryRead(new(answer), found) && BitConverter.ToUInt32(found) == _number);
    }

    private void Submit(Bits128 descriptor)
    {
        Write((QueuePage * PageBytes) + _tail, descriptor);
        _tail = (_tail + 16) % PageBytes;
    }

    private bool InvalidateByRegister(ContextGranularity contexts, IotlbGranularity pages, ulong address)
    {
        int offset = RegisterOffsets.IotlbInvalidate(Profile.ExtendedCapabilities);
        Store(RegisterOffsets.ContextCommand, 8, new ContextCommand { Invalidate = true, RequestedGranularity = contexts, DomainId = _domain }.Raw.Value);
        if (!Wait(() => Load(RegisterOffsets.ContextCommand, 8) >> 63 == 0))
            return false;
        Store(offset - 8, 8, address);
        Store(offset, 8, new IotlbInvalidate { Invalidate = true, RequestedGranularity = pages, DomainId = _domain }.Raw.Value);
        return Wait(() => Load(offset, 8) >> 63 == 0);
    }

    private bool StartQueue()
    {
        _tail = 0;
        if (!UsesQueue)
            return true;
        Store(RegisterOffsets.InvalidationQueueTail, 8, 0);
        Store(RegisterOffsets.InvalidationQueueAddress, 8, QueuePage * PageBytes);
        return Command(new() { QueuedInvalidationEnable = true });
    }

    private bool SetRoot()
    {
        Store(RegisterOffsets.RootTableAddress, 8, 0);
        Store(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { SetRootTablePointer = true, QueuedInvalidationEnable = UsesQueue }.Raw.Value);
        return Wait(() => Status.RootTablePointerSet);
    }

    private bool Command(GlobalCommand command)
    {
        Store(RegisterOffsets.GlobalCommand, 4, command.Raw.Value);
        return Wait(() => Status is var status && status.QueuedInvalidationEnabled == command.QueuedInvalidationEnable && status.TranslationEnabled == command.TranslationEnable);
    }

    private GlobalStatus Status => new(new((uint)Load(RegisterOffsets.GlobalStatus, 4)));

    private bool Wait(Func<bool> done)
    {
        for (int wait = 0; wait < WaitsMax; wait++)
        {
            if (done())
                return true;
            world.Host.Loop.RunFor(WaitNs);
        }

        return false;
    }

    private void Write(ulong address, Bits128 raw) => world.ActAs(guest, () =>
    {
        _ = machine.Cpu.TryWrite(new(address), BitConverter.GetBytes(raw.Word0));
        _ = machine.Cpu.TryWrite(new(address + 8), BitConverter.GetBytes(raw.Word1));
    });

    private void Store(int offset, int width, ulong value) =>
        world.ActAs(guest, () => machine.Cpu.Store(VirtualIommu.Registers + (ulong)offset, width, value));

    private ulong Load(int offset, int width)
    {
        using ActingGuest acting = new(world.Monitor, guest);
        return machine.Cpu.Load(VirtualIommu.Registers + (ulong)offset, width);
    }
}
