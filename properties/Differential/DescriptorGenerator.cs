using Dma.Iommu.Spec;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Draws descriptors for the invalidation queue: of all types, some with a reserved field set.</summary>
internal static class DescriptorGenerator
{
    /// <summary>Steps that submit one.</summary>
    public static Gen<DifferentialStep> Submissions(TranslationTableMode mode)
    {
        Gen<(ulong, ulong)> waits =
            from data in Gen.Choose(1, 0xFFFF)
            from flags in Gen.Elements(0x20ul, 0x20ul, 0x10ul, 0x60ul, 0ul, 0x40ul)
            select (((ulong)data << 32) | flags | 5, Ground.Status);
        Gen<(ulong, ulong)> others =
            from type in Gen.Frequency((4, Gen.Elements(1ul, 2ul)), (2, Gen.Elements(3ul, 4ul, 6ul, 7ul, 8ul, 9ul)), (1, Gen.Elements(0ul, 10ul, 15ul)))
            from granularity in Gen.Choose(0, 3)
            from domain in Gen.Choose(1, 3)
            let source = type is 1 or 3 ? (ulong)Ground.Devices[domain & 1].Value << 32 : 0
            select (type | (type == 3 ? 0 : (ulong)granularity << 4 | ((ulong)domain << 16)) | source, 0ul);
        Gen<(ulong, ulong)> good = Gen.Frequency((1, waits), (2, others));
        return from descriptor in good
               from slip in Gen.Frequency((4, Gen.Constant(-1)), (1, Gen.Choose(7, mode == TranslationTableMode.Legacy ? 127 : 255)))
               let bit = slip < 0 ? 0 : 1ul << (slip % 64)
               where !AsksForBoth(descriptor.Item1 | (slip < 64 ? bit : 0))
               select (DifferentialStep)new SubmitStep(
                   descriptor.Item1 ^ (slip / 64 == 0 ? bit : 0),
                   descriptor.Item2 ^ (slip / 64 == 1 ? bit : 0),
                   slip / 64 == 2 ? bit : 0,
                   slip / 64 == 3 ? bit : 0);
    }

    // QEMU 7.2 ends itself where a wait asks for a status and an interrupt.
    private static bool AsksForBoth(ulong word) => (word & 0xF) == 5 && (word & 0x30) == 0x30;
}
