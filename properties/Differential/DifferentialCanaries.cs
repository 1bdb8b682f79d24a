using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Xunit.Sdk;

namespace Dma.Properties;

/// <summary>Units of ours with one mistake each: the comparison must find it.</summary>
public sealed class DifferentialCanaries
{
    private const string Properties = "aw-bits=48";

    // Enough to find any of them under any seed.
    private const int Programs = 500;

    [Fact]
    public void A_unit_that_writes_where_only_reads_are_permitted_is_found() =>
        Find(profile => new CarelessAboutWrites(profile), "writes");

    [Fact]
    public void A_unit_that_does_not_check_reserved_bits_of_addresses_is_found() =>
        Find(profile => new OurMachine(profile with { HostAddressWidth = 52 }), "put");

    [Fact]
    public void A_unit_that_invalidates_another_page_is_found() =>
        Find(profile => new InvalidatingElsewhere(profile), "invalidate");

    [Fact]
    public void A_unit_that_records_another_page_is_found() =>
        Find(profile => new RecordingElsewhere(profile), "FRCD_LO");

    private static void Find(Func<HardwareProfile, OurMachine> make, string trace)
    {
        Assert.SkipUnless(QemuProcess.Missing is null, $"The differential test is skipped. {QemuProcess.Missing}");
        using QemuMachine theirs = new(Properties);
        using OurMachine ours = make(QemuProfile.Of(theirs, Properties));
        using DifferentialRun run = new(ours, theirs, DifferenceRules.In(TranslationTableMode.Legacy), new());
        FailException found = Assert.Throws<FailException>(() =>
            Property.Check(new ProgramGenerator(QemuProfile.Of(theirs, Properties), TranslationTableMode.Legacy).Programs, run.Play, Programs));
        Assert.Contains(trace, found.Message, StringComparison.Ordinal);
    }

    /// <summary>A right to read is enough for it.</summary>
    private sealed class CarelessAboutWrites(HardwareProfile profile) : OurMachine(profile)
    {
        public override void Write(int device, ulong address, int patternOffset, int length)
        {
            for (int done = 0; done < length;)
            {
                Iova at = new(address + (ulong)done);
                int step = Math.Min(length - done, 4096 - at.PageOffset);
                if (Port(device).TryTranslate(at, write: false, out PhysicalAddress target))
                    _ = Memory.TryWrite(target, WritePattern.Bytes.AsSpan(patternOffset + done, step));
                done += step;
            }
        }
    }

    /// <summary>The address of an invalidation goes to another page.</summary>
    private sealed class InvalidatingElsewhere(HardwareProfile profile) : OurMachine(profile)
    {
        public override void WriteRegister(int offset, int width, ulong value) => base.WriteRegister(
            offset, width, offset == RegisterOffsets.InvalidateAddress(Profile.ExtendedCapabilities) ? value ^ (1ul << 45) : value);
    }

    /// <summary>Its records are one page off.</summary>
    private sealed class RecordingElsewhere(HardwareProfile profile) : OurMachine(profile)
    {
        public override ulong[] ReadRegisters(params (int Offset, int Width)[] registers)
        {
            ulong[] values = base.ReadRegisters(registers);
            for (int index = 0; index < values.Length; index++)
            {
                if (registers[index].Offset == RegisterOffsets.FaultRecord(Profile.Capabilities, 0))
                    values[index] ^= 0x1000;
            }

            return values;
        }
    }
}
