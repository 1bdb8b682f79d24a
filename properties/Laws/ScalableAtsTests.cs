using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Translation requests in scalable mode: what is answered, what is refused, and what of it is recorded (reference sheet, section 6.7).</summary>
public sealed class ScalableAtsTests
{
    private const ulong Address = ScalableFaultCases.Address;
    private const ulong Page = ScalableFaultCases.Page;
    private const ulong XD = 1ul << 63;

    // Reasons of what the device may ask the system to repair; the answer is a success without rights.
    private static readonly FaultReason[] s_recoverable =
    [
        FaultReason.FirstStageNotPresent, FaultReason.ScalableSecondStageNotPresent, FaultReason.NestedTableBeyondWidth,
        FaultReason.NestedTopTableNotReadable, FaultReason.NestedTableNotReadable, FaultReason.NestedTableNotWritable,
        FaultReason.AddressNotCanonical, FaultReason.AddressBeyondHost, FaultReason.ScalableAddressBeyondWidth, FaultReason.UserNotPermitted,
    ];

    // Reasons of requests that the structures do not serve; the others are broken structures.
    private static readonly FaultReason[] s_unsupported =
    [
        FaultReason.TranslationModeInvalid, FaultReason.PasidInLegacyMode, FaultReason.ScalableRootNotPresent, FaultReason.ScalableContextNotPresent,
        FaultReason.DeviceTlbDisabled, FaultReason.PasidDisabled, FaultReason.PasidBeyondDirectory, FaultReason.PasidDirectoryNotPresent,
        FaultReason.PasidEntryNotPresent, FaultReason.ExecuteRequestsDisabled, FaultReason.SupervisorRequestsDisabled,
    ];

    public static TheoryData<int, string> Cases()
    {
        TheoryData<int, string> cases = [];
        for (int index = 0; index < ScalableFaultCases.All.Count; index++)
        {
            ScalableFaultCase given = ScalableFaultCases.All[index];

            // A question can be answered in part, so that a missing right is no refusal; and it is no request to the interrupt range.
            bool partly = given.Reason is FaultReason.ScalableReadNotPermitted or FaultReason.ScalableWriteNotPermitted
                or FaultReason.ExecuteNotPermitted or FaultReason.InterruptRangeRequest;
            if (!partly && given.Attributes.AddressType == AddressType.Untranslated && !given.Attributes.Atomic)
                cases.Add(index, $"{(int)given.Reason:X}h {given.Reason}");
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void What_is_wrong_decides_how_a_question_ends(int index, string name)
    {
        ScalableFaultCase given = ScalableFaultCases.All[index];
        using ScalableWorld world = ScalableFaultCases.Create(given, out PasidTableEntry entry);
        given.Spoil(world, entry);
        TranslationCompletion answer = world.World.Port.RequestTranslation(new(given.At), given.Write, given.Attributes);
        if (s_recoverable.Contains(given.Reason))
        {
            Assert.True(new TranslationCompletion(TranslationStatus.Success, default, 4096, false, false, false) == answer, name);
            Assert.Empty(world.World.Faults);
            return;
        }

        Assert.Equal(s_unsupported.Contains(given.Reason) ? TranslationStatus.UnsupportedRequest : TranslationStatus.CompleterAbort, answer.Status);
        (RemappingFault fault, FaultDisposition became) = world.World.TakeFault();
        Assert.Equal((given.Reason, FaultDisposition.Recorded), (fault.Reason, became));
        bool reports = world.World.Profile.ExtendedCapabilities.DeviceTlb;
        Assert.Equal(reports ? AddressType.Translation : AddressType.Untranslated, world.World.Record(0).AddressType);
    }

    [Theory]
    [InlineData(7ul, false, false, true, true, true)]
    [InlineData(5ul, false, false, true, false, true)] // read-only
    [InlineData(5ul | XD, false, false, true, false, false)]
    [InlineData(3ul, false, false, false, false, false)] // a supervisor's page
    [InlineData(3ul, true, false, true, true, true)]
    [InlineData(5ul, true, false, true, true, true)] // WPE is clear
    [InlineData(5ul, true, true, true, false, true)]
    [InlineData(0x107ul, true, true, true, true, true)] // global
    public void A_first_stage_page_is_answered_with_the_rights_that_it_has(ulong flags, bool privileged, bool protects, bool read, bool write, bool execute)
    {
        foreach (PasidTranslationType type in (PasidTranslationType[])[PasidTranslationType.FirstStage, PasidTranslationType.Nested])
        {
            using ScalableWorld world = ScalableFaultCases.Create(new(default, default, type, (_, _) => { }), out PasidTableEntry entry);
            world.PutPasid(ScalableFaultCases.Pasid, entry with { WriteProtectEnabled = protects });
            PhysicalAddress leaf = ScalableFaultCases.FirstPlace(world, entry, 1);
            ulong frame = world.Get<ulong>(leaf) & 0x000F_FFFF_FFFF_F000;
            world.Put(leaf, frame | flags);
            foreach (bool asks in (bool[])[false, true])
            {
                DmaAttributes attributes = ScalableFaultCases.User with { Privileged = privileged, Execute = true };
                TranslationCompletion answer = world.World.Port.RequestTranslation(new(Address), asks, attributes);
                TranslationCompletion expected = new(TranslationStatus.Success, read ? new(Page) : default, 4096, read, asks && write, false)
                {
                    Execute = read && execute,
                    Privileged = read && privileged,
                    Global = read && (flags & 0x100) != 0,
                    NonSnooped = read && type == PasidTranslationType.FirstStage,
                };
                Assert.Equal(expected, answer);

                // The page counts as written when the right to write it is given away.
                Assert.Equal(asks && write, new FirstStageEntry(new(world.Get<ulong>(leaf))).Dirty);
            }

            Assert.Empty(world.World.Faults);
        }
    }

    [Theory]
    [InlineData(PasidTranslationType.SecondStage)]
    [InlineData(PasidTranslationType.Nested)]
    public void The_second_stage_takes_rights_away(PasidTranslationType type)
    {
        foreach (ulong rights in (ulong[])[0, 1, 2, 3])
        {
            using ScalableWorld world = ScalableFaultCases.Create(new(default, default, type, (_, _) => { }), out PasidTableEntry entry);
            ulong at = type == PasidTranslationType.Nested ? Page + ScalableWorld.Moved : Address;
            _ = world.MapSecond(entry, at, Page | rights);
            TranslationCompletion answer = world.World.Port.RequestTranslation(new(Address), true, ScalableFaultCases.User);
            Assert.Equal(
                new(TranslationStatus.Success, rights == 0 ? default : new(Page), 4096, (rights & 1) != 0, (rights & 2) != 0, false),
                answer);
            Assert.Empty(world.World.Faults);
        }
    }

    [Fact]
    public void The_page_of_the_answer_is_the_smaller_one_of_both_stages()
    {
        foreach ((int first, int second) in ((int, int)[])[(1, 2), (2, 1), (2, 2), (3, 2), (3, 3)])
        {
            using ScalableWorld world = new(HardwareProfile.Named("friendly-scalable"));
            PasidTableEntry entry = world.Entry(PasidTranslationType.Nested);
            world.PutPasid(ScalableFaultCases.Pasid, entry);
            world.MapTables(entry);
            const ulong Guest = 0x80_0000_0000 - (1ul << 30);
            _ = world.MapFirst(entry, 0, Guest | 7, first);
            _ = world.MapSecond(entry, Guest, (1ul << 30) | 3, second);
            TranslationCompletion answer = world.World.Port.RequestTranslation(default, true, ScalableFaultCases.User);
            Assert.Equal((new(1ul << 30), 1ul << (3 + (9 * Math.Min(first, second)))), (answer.Address, answer.PageBytes));
        }
    }

    [Fact]
    public void A_question_about_the_interrupt_range_without_PASID_is_told_to_leave_it_untranslated()
    {
        using ScalableWorld world = new(HardwareProfile.Named("friendly-scalable"));
        TranslationCompletion answer = world.World.Port.RequestTranslation(new(InterruptRange.First), true);
        Assert.Equal((TranslationStatus.Success, true, false, true), (answer.Status, answer.UntranslatedOnly, answer.Read, answer.Write));
    }
}
