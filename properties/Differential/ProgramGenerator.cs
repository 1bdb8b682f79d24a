using Dma.Iommu;
using Dma.Iommu.Spec;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Draws programs for one kind of unit: mostly as software would write them, with a mistake here and there.</summary>
internal sealed class ProgramGenerator(HardwareProfile profile, TranslationTableMode mode)
{
    private const int PhrasesMax = 32;

    // Pages that sit at edges: the interrupt range and its neighbours, ends of widths, beyond them.
    private static readonly ulong[] _edgePages =
    [
        0xFEDF_F000, 0xFEE0_0000, 0xFEEF_F000, 0xFEF0_0000, 0x7F_FFFF_F000, 0x80_0000_0000, 0xFFFF_FFFF_F000, 0x1_0000_0000_0000,
        0x8000_0000_0000, 0xFFFF_8000_0000_0000, 0xFFFF_FFFF_FFFF_E000,
    ];

    // Where a PC has an interrupt controller and firmware: pass-through would reach them, and our machine has neither.
    private static readonly ulong[] _otherDevices = [0xFEC0_0000, 0xFFFF_F000];

    private readonly EntryGenerator _entries = new(profile);

    /// <summary>Whole programs; what fails is shortened.</summary>
    public Arbitrary<DifferentialProgram> Programs
    {
        get
        {
            Gen<DifferentialStep[]> phrase = Gen.Frequency((12, Step().Select(step => new[] { step })), (1, Remap()), (1, Reassign()));
            AddressWidth[] widths = [.. new[] { AddressWidth.Bits39, AddressWidth.Bits48 }.Where(profile.Supports)];
            return Arb.From(
                from width in Gen.Elements(widths)
                from phrases in Generate.Program(phrase, PhrasesMax).Generator
                select new DifferentialProgram(mode, width, [.. phrases.SelectMany(steps => steps)]),
                program => Generate.Program(Step(), PhrasesMax).Shrinker(program.Steps).Select(steps => program with { Steps = steps }));
        }
    }

    private Gen<DifferentialStep> Step()
    {
        List<(int, Gen<DifferentialStep>)> steps =
        [
            (40, Transfer()),
            (14, Paging()),
            (4, Root()),
            (10, Invalidate()),
            (12, ClearFaults()),
            (3, Gen.Constant<DifferentialStep>(new StartQueueStep(0))),
            (1, Gen.Choose(0, 1).Select(size => (DifferentialStep)new StartQueueStep(size))),
            (2, Gen.Constant<DifferentialStep>(new StopQueueStep())),
            (3, Gen.Constant<DifferentialStep>(new RepairQueueStep())),
            (4, DescriptorGenerator.Submissions(mode)),
            (1, Gen.Elements(false, true).Select(on => (DifferentialStep)new SwitchTranslationStep(on))),
            (1, Gen.Constant<DifferentialStep>(new SwitchTranslationStep(true))),
            (2, SetRoot()),
            (4, RegisterGenerator.Probes(profile)),
            (3, RegisterGenerator.Peeks(profile)),
        ];
        if (mode == TranslationTableMode.Legacy)
            steps.Add((6, LegacyContext()));
        else
            steps.Add((10, ScalableContext()));
        return Gen.Frequency([.. steps]);
    }

    private static Gen<ulong> Page() => Gen.Frequency(
        (12, from level1 in Gen.Elements(BaseTables.Indices[0])
             from level2 in Gen.Elements(BaseTables.Indices[1])
             from level3 in Gen.Elements(BaseTables.Indices[2])
             from level4 in Gen.Frequency((6, Gen.Constant(0)), (1, Gen.Elements(BaseTables.Indices[3])))
             select ((ulong)level4 << 39) | ((ulong)level3 << 30) | ((ulong)level2 << 21) | ((ulong)level1 << 12)),
        (5, Gen.Elements<ulong>(0, 0x1000, 0x2000, 0x20_0000)),
        (3, Gen.Elements(_edgePages))).Where(page => !_otherDevices.Contains(page));

    private static Gen<DifferentialStep> Transfer() =>
        from device in Gen.Frequency((3, Gen.Constant(0)), (1, Gen.Constant(1)))
        from write in Gen.Elements(false, true)
        from page in Page()
        from offset in Gen.Frequency((2, Gen.Constant(0)), (2, Gen.Elements(0x7F8, 0xFF8, 0xFFC, 0xFFF)), (1, Gen.Choose(0, 4095)))
        from length in Gen.Frequency((3, Gen.Elements(1, 2, 3, 4, 7, 8, 16)), (1, Gen.Choose(1, 1500)))
        from pattern in Gen.Choose(0, WritePattern.Length - 1500)
        select (DifferentialStep)new DmaStep(device, write, page + (ulong)offset, length, pattern);

    // A page is used, changed, invalidated exactly as owed, and used again.
    private Gen<DifferentialStep[]> Remap() =>
        from device in Gen.Choose(0, 1)
        from write in Gen.Elements(false, true)
        from page in Gen.Elements<ulong>(0, 0x1000, 0x2000, 0x20_1000)
        from value in _entries.Paging(device, 1)
        from granularity in Gen.Elements(IotlbGranularity.Page, IotlbGranularity.Page, IotlbGranularity.Domain)
        from mask in Gen.Choose(0, 2)
        let use = new DmaStep(device, write, page, 8, 0)
        select new DifferentialStep[]
        {
            use,
            new PutStep($"leaf of 0x{page:x} in tree {device}", Ground.Entry(Ground.Table(device, 1), 1, page), value),
            new InvalidateIotlbStep(granularity, (ushort)(device + 1), page, mask),
            use,
        };

    // A device gets another context, with all that is owed: first the entry, then the translations of its old domain and its new one.
    private Gen<DifferentialStep[]> Reassign() =>
        from device in Gen.Choose(0, 1)
        from put in mode == TranslationTableMode.Legacy ? LegacyContext() : ScalableContext()
        from page in Page()
        let use = new DmaStep(device, false, page, 8, 0)
        select new DifferentialStep[]
        {
            use,
            put,
            new InvalidateContextStep(ContextGranularity.Device, (ushort)(device + 1), device),
            new InvalidateIotlbStep(IotlbGranularity.Domain, 1, 0, 0),
            new InvalidateIotlbStep(IotlbGranularity.Domain, 2, 0, 0),
            new InvalidateIotlbStep(IotlbGranularity.Domain, 3, 0, 0),
            use,
        };

    private Gen<DifferentialStep> Paging() =>
        from tree in Gen.Choose(0, 1)
        from level in Gen.Elements(1, 1, 1, 2, 2, 3, 4)
        from index in Gen.Elements(BaseTables.Indices[level - 1])
        from value in _entries.Paging(tree, level)
        select (DifferentialStep)new PutStep(
            $"entry {index} of level {level} in tree {tree}", Ground.Table(tree, level) + (8ul * (ulong)index), value);

    private Gen<DifferentialStep> Root() =>
        from which in Gen.Frequency((4, Gen.Constant(0)), (1, Gen.Constant(1)))
        from words in _entries.Root(mode)
        select (DifferentialStep)new PutStep($"root entry of root {which}", Ground.Root(which), words);

    private Gen<DifferentialStep> LegacyContext() =>
        from which in Gen.Frequency((4, Gen.Constant(0)), (1, Gen.Constant(1)))
        from device in Gen.Choose(0, 1)
        from words in _entries.LegacyContext(device)
        select (DifferentialStep)new PutStep(
            $"context entry of {Ground.Devices[device]} in context table {which}", BaseTables.ContextPlace(mode, which, device), words);

    private Gen<DifferentialStep> ScalableContext() =>
        from device in Gen.Choose(0, 1)
        from step in Gen.Frequency(
            (2, _entries.ScalableContext(device).Select(words => (DifferentialStep)new PutStep(
                $"scalable context entry of {Ground.Devices[device]}", BaseTables.ContextPlace(mode, 0, device), words))),
            (1, _entries.PasidDirectory(device).Select(word => (DifferentialStep)new PutStep(
                $"PASID directory entry of {Ground.Devices[device]}", Ground.PasidDirectory(device), word))),
            (3, _entries.PasidTable(device).Select(words => (DifferentialStep)new PutStep(
                $"PASID table entry of {Ground.Devices[device]}", Ground.PasidTable(device), words))))
        select step;

    private static Gen<DifferentialStep> Invalidate() => Gen.Frequency(
        (3, from granularity in Gen.Elements(IotlbGranularity.Global, IotlbGranularity.Domain, IotlbGranularity.Page, IotlbGranularity.Page)
            from domain in Gen.Elements<ushort>(1, 1, 2, 3)
            from page in Page()
            from mask in Gen.Frequency((4, Gen.Constant(0)), (2, Gen.Choose(1, 18)), (1, Gen.Choose(19, 63)))
            select (DifferentialStep)new InvalidateIotlbStep(granularity, domain, page, mask)),
        (2, from granularity in Gen.Elements(ContextGranularity.Global, ContextGranularity.Domain, ContextGranularity.Device, ContextGranularity.Device)
            from domain in Gen.Elements<ushort>(1, 1, 2, 3)
            from device in Gen.Choose(0, 1)
            select (DifferentialStep)new InvalidateContextStep(granularity, domain, device)),
        (2, Gen.Constant<DifferentialStep>(new InvalidateIotlbStep(IotlbGranularity.Global, 0, 0, 0))));

    private static Gen<DifferentialStep> ClearFaults() => Gen.Frequency(
        (6, Gen.Constant<DifferentialStep>(new ClearFaultsStep(true, 1))),
        (1, from record in Gen.Elements(false, true)
            from status in Gen.Elements<uint>(0, 1, 0x10, 0x11, 0xFFFF_FFFF)
            select (DifferentialStep)new ClearFaultsStep(record, status)));

    private Gen<DifferentialStep> SetRoot() =>
        from value in Gen.Frequency(
            (6, Gen.Choose(0, 1).Select(Ground.Root)),
            (1, Gen.Elements(Ground.Nowhere, Ground.FarNowhere)))
        select (DifferentialStep)new SetRootStep(new RootTableAddress { Table = new(value), Mode = mode }.Raw.Value);
}
