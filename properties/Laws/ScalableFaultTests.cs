using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Every fault reason of scalable mode is reached, recorded as the reference sheet says, and disabled where it says.</summary>
public sealed class ScalableFaultTests
{
    public static TheoryData<int, string> Cases()
    {
        TheoryData<int, string> cases = [];
        for (int index = 0; index < ScalableFaultCases.All.Count; index++)
            cases.Add(index, $"{(int)ScalableFaultCases.All[index].Reason:X}h {ScalableFaultCases.All[index].Reason}");
        return cases;
    }

    [Fact]
    public void Every_declared_reason_has_a_case_here_or_among_those_of_other_requests()
    {
        IEnumerable<FaultReason> here = ScalableFaultCases.All.Select(given => given.Reason);
        IEnumerable<FaultReason> legacy = Enum.GetValues<FaultReason>().Where(reason => reason <= FaultReason.OutputInInterruptRange);

        // Those of interrupt remapping and of page requests have tests of their own; all others are reasons of requests that are translated.
        IEnumerable<FaultReason> interrupts = Enum.GetValues<FaultReason>().Where(reason => (int)reason is >= 0x20 and <= 0x28);
        IEnumerable<FaultReason> pageRequests = PageRequestFaultTests.Reasons.Select(row => row.Data);
        Assert.Empty(Enum.GetValues<FaultReason>().Except(here).Except(legacy).Except(interrupts).Except(pageRequests));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_refusal_is_recorded_with_all_that_the_request_carried(int index, string name)
    {
        ScalableFaultCase given = ScalableFaultCases.All[index];
        using ScalableWorld world = ScalableFaultCases.Create(given, out PasidTableEntry entry);
        given.Spoil(world, entry);
        Refuse(world, given, FaultDisposition.Recorded, name);
        FaultRecord record = world.World.Record(0);
        bool capable = world.World.Profile.ExtendedCapabilities.ProcessAddressSpaces;
        Pasid? pasid = capable ? given.Attributes.Pasid : null;
        Assert.Equal(
            new FaultRecord
            {
                Address = new(given.At & ~0xFFFul),
                Source = RemappingWorld.Device,
                Reason = given.Reason,
                PasidPresent = pasid is not null,
                Pasid = pasid ?? default,
                Execute = given.Attributes.Execute,
                Privileged = given.Attributes.Privileged,
                AddressType = given.Attributes.AddressType,
                Type1 = !given.Write || given.Attributes.Atomic,
                Type2 = given.Attributes.Atomic,
                Fault = true,
            },
            record);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void It_is_not_recorded_where_an_entry_on_the_way_says_so_and_qualifies_it(int index, string name)
    {
        ScalableFaultCase given = ScalableFaultCases.All[index];
        foreach (Qualification by in (Qualification[])[Qualification.Context, Qualification.Directory, Qualification.Entry])
        {
            using ScalableWorld world = ScalableFaultCases.Create(given, out PasidTableEntry entry);
            Pasid pasid = given.Attributes.Pasid ?? new(5);
            PhysicalAddress place = by switch
            {
                Qualification.Context => world.ContextPlace,
                Qualification.Directory => world.DirectoryPlace(pasid),
                _ => world.PasidPlace(pasid),
            };
            given.Spoil(world, entry);
            world.Put(place, world.Get<ulong>(place) | 2);
            Refuse(world, given, by <= given.By ? FaultDisposition.Suppressed : FaultDisposition.Recorded, $"{name}, FPD of {by}");
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Without_what_is_wrong_the_same_request_passes(int index, string name)
    {
        ScalableFaultCase given = ScalableFaultCases.All[index];
        ScalableFaultCase whole = given with { Unit = unit => unit, At = ScalableFaultCases.Address, SecondLevels = 4 };
        using ScalableWorld world = ScalableFaultCases.Create(whole, out PasidTableEntry entry);
        bool untranslated = given.Attributes.AddressType == AddressType.Translated || given.Type == PasidTranslationType.PassThrough;
        ulong at = untranslated ? ScalableFaultCases.Page : ScalableFaultCases.Address;
        WalkTranscript told = world.World.Unit.Explain(RemappingWorld.Device, new(at), given.Write, given.Attributes);
        Assert.True(told.Passes, $"{name}: {told.Fault}");
        Assert.Equal(new(ScalableFaultCases.Page), told.Target);
        Assert.Equal(DmaStatus.Success, Access(world, given, at));
    }

    private static void Refuse(ScalableWorld world, ScalableFaultCase given, FaultDisposition disposition, string name)
    {
        WalkTranscript told = world.World.Unit.Explain(RemappingWorld.Device, new(given.At), given.Write, given.Attributes);
        MemorySnapshot before = new(world.Memory, [(new(ScalableFaultCases.Page), 4096)]);
        Assert.Equal(DmaStatus.Blocked, Access(world, given, given.At));
        Assert.Equal(0ul, before.CountChangedBytes(world.Memory));
        (RemappingFault fault, FaultDisposition became) = world.World.TakeFault();
        Assert.True(given.Reason == fault.Reason, $"{name}: {fault.Reason}");
        Assert.Equal(new(RemappingWorld.Device, given.Reason, new(given.At), given.Write, given.Attributes), fault);
        Assert.True(disposition == became, $"{name}: {became}");
        if (given.Reason == FaultReason.InterruptRangeRequest)
            return;
        Assert.True(given.Reason == told.Fault, $"{name}: the story says {told.Fault}");
        Assert.Equal(disposition == FaultDisposition.Recorded, told.Reported);
        Assert.False(told.Steps[^1].Checks[^1].Passed);
    }

    private static DmaStatus Access(ScalableWorld world, ScalableFaultCase given, ulong at) => given.Write
        ? world.World.Port.Write(new(at), new byte[8], given.Attributes)
        : world.World.Port.Read(new(at), new byte[8], given.Attributes);
}
