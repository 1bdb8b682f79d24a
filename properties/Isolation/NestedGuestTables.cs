using Dma.Iommu.Spec;
using Dma.Machine;
using Step = Dma.Properties.VirtualIommuProgramTests.Step;

namespace Dma.Properties;

/// <summary>Scalable mode: root, context and PASID tables, and first-stage tables below them.</summary>
internal sealed class NestedGuestTables(VirtualIommuGuest guest, SourceId[] places, ulong[] addresses) : GuestTables(guest, places)
{
    private const ulong FirstDirectory = 18;
    private const ulong FirstPasidTable = 20;
    private const ulong Link = 0x27;

    private readonly NestedModel _model = (NestedModel)guest.Model;

    // Mostly scalable mode; abort mode and legacy mode, in which the unit has nothing to translate by, now and then.
    public override ulong RootOf(Step step) => new RootTableAddress
    {
        Table = new((ulong)(step.Value % 2) * PageSize),
        Mode = step.Kind switch { 19 => TranslationTableMode.Legacy, 18 => TranslationTableMode.Abort, _ => TranslationTableMode.Scalable },
    }.Raw.Value;

    public override void Begin()
    {
        Guest.Write(0, new ScalableRootEntry { LowerPresent = true, LowerContextTable = new(2 * PageSize) }.Raw.Word0);
        for (int device = 0; device < 2; device++)
        {
            ulong directory = FirstDirectory + (ulong)device;
            Write((2 * PageSize) + (32ul * Places[device].DeviceFunction), new ScalableContextEntry { Present = true, PasidDirectory = new(directory * PageSize) }.Raw);
            Guest.Write(directory * PageSize, new PasidDirectoryEntry { Present = true, PasidTable = new((FirstPasidTable + (ulong)device) * PageSize) }.Raw.Value);
            PasidTableEntry entry = new()
            {
                Present = true,
                TranslationType = PasidTranslationType.FirstStage,
                FirstStageTable = new(FirstTable * PageSize),
                PageWalkSnoop = true,
                DomainId = DomainOf(device),
            };
            Write((FirstPasidTable + (ulong)device) * PageSize, entry);
        }

        for (ulong table = 4; table <= 7; table++)
        {
            foreach (ulong index in Indices)
                Guest.Write((table * PageSize) + (8 * index), ((table == 7 ? 32 + (index % 8) : table + 1) * PageSize) | Link);
        }

        Guest.Start(new RootTableAddress { Mode = TranslationTableMode.Scalable }.Raw.Value);
        InvalidateAll();
    }

    public override void EditContext(Step step)
    {
        ulong contexts = 2 + ((ulong)(step.Place >> 1) & 1);
        ulong directory = FirstDirectory + ((ulong)(step.Place >> 2) & 1);
        ulong table = FirstPasidTable + ((ulong)(step.Place >> 3) & 1);
        if (step.Place % 5 == 0)
            Guest.Edit((ulong)(step.Place & 1) * PageSize, step.Kind == 19 ? step.Bits : (contexts * PageSize) | (step.Kind == 18 ? 0ul : 1));
        if (step.Place % 5 == 1)
            EditRequester(step, contexts, directory);
        if (step.Place % 5 == 2)
            Guest.Edit(directory * PageSize, step.Kind == 19 ? step.Bits : (table * PageSize) | (step.Kind == 18 ? 0ul : 1));
        EditEntry(step, table * PageSize);
    }

    public override void InvalidateAll()
    {
        Guest.Submit(
            new ContextCacheDescriptor { Type = InvalidationDescriptorType.ContextCache, Granularity = ContextGranularity.Global }.Raw,
            new PasidCacheDescriptor { Type = InvalidationDescriptorType.PasidCache, Granularity = PasidCacheGranularity.Global }.Raw,
            new IotlbDescriptor { Type = InvalidationDescriptorType.Iotlb, Granularity = IotlbGranularity.Global }.Raw);
        _model.InvalidateContexts(source: null);
        _model.InvalidatePasids(domain: null);
        _model.InvalidateTranslations(domain: null, 0, ulong.MaxValue);
    }

    public override void InvalidateContext(Step step)
    {
        DomainId domain = DomainOf(step.Value);
        SourceId source = Places[step.Device];
        if (step.Kind % 4 != 0)
        {
            Guest.Submit(new ContextCacheDescriptor { Type = InvalidationDescriptorType.ContextCache, Granularity = ContextGranularity.Device, Source = source, DomainId = domain }.Raw);
            _model.InvalidateContexts(source);
        }

        if (step.Kind % 4 == 1)
            return;
        PasidCacheDescriptor pasids = new() { Type = InvalidationDescriptorType.PasidCache, DomainId = domain };
        Guest.Submit((step.Kind > 9 ? pasids with { Granularity = PasidCacheGranularity.Pasid } : pasids).Raw);
        _model.InvalidatePasids(domain);
    }

    public override void InvalidateIotlb(Step step)
    {
        DomainId domain = DomainOf(step.Value);
        int mask = (int)(step.Bits % 10);
        ulong address = addresses[step.Place % addresses.Length] >> (12 + mask) << (12 + mask);
        PasidIotlbDescriptor pasid = new() { Type = InvalidationDescriptorType.PasidIotlb, Granularity = PasidIotlbGranularity.Pasid, DomainId = domain };
        IotlbDescriptor all = new() { Type = InvalidationDescriptorType.Iotlb, Granularity = IotlbGranularity.Domain, DomainId = domain };
        if (step.Kind < 13)
        {
            if (!ForgetsPages)
                Guest.Submit((pasid with { Granularity = PasidIotlbGranularity.Page, Address = new(address), AddressMask = mask }).Raw);
            _model.InvalidateTranslations(domain, address, PageSize << mask);
            return;
        }

        // Of another PASID, a page of the second stage, then whole address spaces.
        Guest.Submit(step.Kind switch
        {
            13 => (pasid with { Pasid = new(1 + ((uint)step.Value % 3)) }).Raw,
            14 => (all with { Granularity = IotlbGranularity.Page, Address = new(address), AddressMask = mask }).Raw,
            15 or 16 => pasid.Raw,
            17 or 18 => all.Raw,
            _ => (all with { Granularity = IotlbGranularity.Global }).Raw,
        });
        if (step.Kind != 13)
            _model.InvalidateTranslations(step.Kind == 19 ? null : domain, 0, ulong.MaxValue);
    }

    // Mostly what leads somewhere, marked as used or not; some of it anything.
    protected override ulong Entry(Step step)
    {
        ulong rights = (step.Bits & 0x30) == 0 ? step.Bits & 7 : 7;
        ulong flags = rights | (step.Bits & 0x160) | ((step.Bits & 0x3000) == 0 ? step.Bits & 0x8000_0000_0000_0000 : 0);
        ulong page = (ulong)step.Value % (GuestBytes / PageSize);
        ulong large = (ulong)(step.Value & 1) << 21;
        return step.Kind switch
        {
            < 7 => (TableOf(step.Value) * PageSize) | flags,
            < 12 => (page * PageSize) | flags,
            < 14 => large | 0x80 | flags,
            14 => 0x80 | flags,
            15 => 0,
            16 => ((GuestBytes + ((ulong)step.Value * PageSize)) & 0xFF_FFFF_F000) | flags,
            17 => (page * PageSize) | flags | (1ul << 51),
            18 => 0xFEE0_0000 | flags,
            _ => step.Bits,
        };
    }

    private void EditRequester(Step step, ulong contexts, ulong directory)
    {
        ScalableContextEntry entry = new()
        {
            Present = step.Kind != 17,
            FaultProcessingDisable = (step.Bits & 7) == 0,
            PasidEnabled = step.Kind == 16,
            PasidDirectory = new(step.Kind == 15 ? step.Bits & 0xFFFF_F000 : directory * PageSize),
        };
        ulong place = (contexts * PageSize) + (32ul * Places[step.Device].DeviceFunction);
        Guest.Edit(place + 8, step.Kind == 14 ? step.Bits : entry.Raw.Word1);
        Guest.Edit(place, entry.Raw.Word0);
    }

    private void EditEntry(Step step, ulong place)
    {
        PasidTableEntry entry = new()
        {
            Present = step.Kind != 17,
            FaultProcessingDisable = (step.Bits & 7) == 0,
            TranslationType = step.Kind switch
            {
                14 => (PasidTranslationType)(step.Bits & 7),
                15 => PasidTranslationType.Nested,
                16 => PasidTranslationType.PassThrough,
                _ => PasidTranslationType.FirstStage,
            },
            AddressWidth = (AddressWidth)((step.Bits >> 8) & 7),
            SecondStageTable = new((step.Bits >> 4) & 0xFF_F000),
            FirstStageTable = new(step.Kind == 13 ? step.Bits & 0xFFFF_FFFF_F000 : (FirstTable + ((ulong)step.Value % (LastTable - 3))) * PageSize),
            PagingMode = step.Kind == 12 ? (FirstStagePagingMode)(step.Bits & 3) : FirstStagePagingMode.FourLevel,
            PageWalkSnoop = (step.Bits & 0x70) != 0,
            NoExecuteEnabled = (step.Bits & 0x80) != 0,
            ExtendedAccessedEnabled = (step.Bits & 0xF00) == 0,
            DomainId = step.Kind == 11 ? new((ushort)step.Bits) : DomainOf(step.Value),
        };
        Guest.Edit(place + 16, entry.Raw.Word2);
        Guest.Edit(place + 8, entry.Raw.Word1);
        Guest.Edit(place, entry.Raw.Word0);
    }

    private void Write(ulong place, Bits256 entry) => Guest.Write(place, entry.Word0, entry.Word1, entry.Word2, entry.Word3);

    private void Write(ulong place, PasidTableEntry entry) => Guest.Write(place, entry.Raw.Word0, entry.Raw.Word1, entry.Raw.Word2, entry.Raw.Word3);
}
