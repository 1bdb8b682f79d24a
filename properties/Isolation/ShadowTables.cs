using Dma.Iommu.Spec;
using Dma.Machine;
using Step = Dma.Properties.VirtualIommuProgramTests.Step;

namespace Dma.Properties;

/// <summary>Legacy mode: root, context and second-stage tables.</summary>
internal sealed class ShadowTables(VirtualIommuGuest guest, SourceId[] places, int levels, ulong[] addresses) : GuestTables(guest, places)
{
    private readonly ShadowModel _model = (ShadowModel)guest.Model;

    public override ulong RootOf(Step step) => (ulong)(step.Value % 2) * PageSize;

    public override void Begin()
    {
        RootEntry root = new() { Present = true, ContextTable = new(2 * PageSize) };
        Guest.Write(0, root.Raw.Word0, root.Raw.Word1);
        for (int device = 0; device < 2; device++)
        {
            ContextEntry context = new()
            {
                Present = true,
                SecondStageTable = new((8 - (ulong)levels) * PageSize),
                AddressWidth = (AddressWidth)(levels - 2),
                DomainId = DomainOf(device),
            };
            Guest.Write((2 * PageSize) + (16ul * Places[device].DeviceFunction), context.Raw.Word0, context.Raw.Word1);
        }

        for (ulong table = 4; table <= 7; table++)
        {
            foreach (ulong index in Indices)
                Guest.Write((table * PageSize) + (8 * index), ((table == 7 ? 32 + index : table + 1) * PageSize) | 3);
        }

        Guest.Start(root: 0);
    }

    public override void EditContext(Step step)
    {
        ulong root = (ulong)(step.Place & 1) * PageSize;
        ulong contexts = (2 + ((ulong)(step.Place >> 1) & 1)) * PageSize;
        ulong rootEntry = step.Kind == 19 ? step.Bits : contexts | (step.Kind == 18 ? 0ul : 1);
        Guest.Edit(root, rootEntry);
        ContextEntry entry = new()
        {
            Present = step.Kind != 17,
            FaultProcessingDisable = (step.Bits & 7) == 0,
            TranslationType = step.Kind == 16 ? TranslationType.PassThrough : TranslationType.UntranslatedOnly,
            SecondStageTable = new((FirstTable + ((ulong)step.Value % (LastTable - 3))) * PageSize),
            AddressWidth = (AddressWidth)(step.Kind == 15 ? step.Bits & 7 : (ulong)levels - 2),
            DomainId = DomainOf(step.Value),
        };
        ulong place = contexts + (16ul * Places[step.Device].DeviceFunction);
        Guest.Edit(place + 8, entry.Raw.Word1);
        Guest.Edit(place, entry.Raw.Word0);
    }

    public override void InvalidateAll()
    {
        InvalidateContext(ContextGranularity.Global, default, default);
        InvalidateIotlb(IotlbGranularity.Global, default, 0, 0);
    }

    public override void InvalidateContext(Step step) =>
        InvalidateContext((ContextGranularity)(1 + (step.Kind % 3)), DomainOf(step.Value), Places[step.Device]);

    public override void InvalidateIotlb(Step step)
    {
        IotlbGranularity granularity = step.Kind < 13 ? IotlbGranularity.Page : step.Kind < 17 ? IotlbGranularity.Domain : IotlbGranularity.Global;
        if (!Guest.Capabilities.PageSelectiveInvalidation && granularity == IotlbGranularity.Page)
            granularity = IotlbGranularity.Domain;
        int mask = (int)(step.Bits % 10);
        ulong address = addresses[step.Place % addresses.Length] >> (12 + mask) << (12 + mask);
        InvalidateIotlb(granularity, DomainOf(step.Value), address, mask);
    }

    // Mostly what leads somewhere; some of it anything.
    protected override ulong Entry(Step step)
    {
        ulong rights = (step.Bits & 0x30) == 0 ? step.Bits & 3 : 3;
        ulong table = TableOf(step.Value);
        ulong page = (ulong)step.Value % (GuestBytes / PageSize);
        ulong large = (ulong)(step.Value & 1) << 21;
        return step.Kind switch
        {
            < 7 => (table * PageSize) | rights,
            < 12 => (page * PageSize) | rights,
            < 14 => large | 0x80 | rights,
            14 => 0x80 | rights,
            15 => 0,
            16 => ((GuestBytes + ((ulong)step.Value * PageSize)) & 0xFF_FFFF_F000) | rights,
            17 => (page * PageSize) | rights | (1ul << 62),
            18 => 0xFEE0_0000 | rights,
            _ => step.Bits,
        };
    }

    private void InvalidateIotlb(IotlbGranularity granularity, DomainId domain, ulong address, int mask)
    {
        bool isTold = !ForgetsPages || granularity != IotlbGranularity.Page;
        if (isTold && Guest.UsesQueue)
        {
            Guest.Submit(new IotlbDescriptor { Type = InvalidationDescriptorType.Iotlb, Granularity = granularity, DomainId = domain, Address = new(address), AddressMask = mask }.Raw);
        }
        else if (isTold)
        {
            int offset = RegisterOffsets.IotlbInvalidate(Guest.ExtendedCapabilities);
            Guest.Store(offset, 8, new IotlbInvalidate { Invalidate = true, RequestedGranularity = granularity, DomainId = domain }.Raw.Value);
            Guest.Wait(() => Guest.Load(offset, 8) >> 63 == 0);
        }

        _model.InvalidateIotlb(granularity, domain, address, PageSize << mask);
    }

    private void InvalidateContext(ContextGranularity granularity, DomainId domain, SourceId source)
    {
        if (Guest.UsesQueue)
        {
            Guest.Submit(new ContextCacheDescriptor { Type = InvalidationDescriptorType.ContextCache, Granularity = granularity, DomainId = domain, Source = source }.Raw);
        }
        else
        {
            Guest.Store(RegisterOffsets.ContextCommand, 8, new ContextCommand { Invalidate = true, RequestedGranularity = granularity, DomainId = domain, Source = source }.Raw.Value);
            Guest.Wait(() => Guest.Load(RegisterOffsets.ContextCommand, 8) >> 63 == 0);
        }

        _model.InvalidateContext(granularity, domain, source);
    }
}
