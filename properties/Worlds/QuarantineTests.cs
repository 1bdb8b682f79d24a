using Dma.Devices;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;
using static Dma.Properties.AssignmentWorld;

namespace Dma.Properties;

/// <summary>Devices that are put in quarantine: what they lose, and what lets them out.</summary>
public sealed class QuarantineTests
{
    private const uint On = (uint)(PciCommand.BusMaster | PciCommand.MemorySpace);
    private static readonly SourceId Place = new(0, 1, 0);

    [Theory]
    [InlineData(50)]
    [InlineData(200)]
    public void A_device_that_does_nothing_but_fault_is_taken_from_its_guest_and_others_go_on(int faultsMax)
    {
        using Host host = Small(new((ulong)faultsMax, 1_000_000));
        DmaDevice bad = new(), good = new();
        host.Pci.Add(bad, 3);
        host.Pci.Add(good, 4);
        host.Boot();
        VirtualMachine one = host.CreateMachine("one", 2 * MiB);
        VirtualMachine two = host.CreateMachine("two", 2 * MiB);
        Assignment assignment = host.AssignmentOf(bad.Source);
        Assert.True(Run(host, () => assignment.Assign(one, Place)).IsDone);
        Assert.True(Run(host, () => host.AssignmentOf(good.Source).Assign(two, Place)).IsDone);
        one.Pci.WriteConfiguration(Place, PciOffset.Command, 2, On);
        two.Pci.WriteConfiguration(Place, PciOffset.Command, 2, On);
        ulong mapped = Call(host, two, Hypercall.MapDma, Place.Value, 0, 4096, 3).Value;
        Assert.Equal(DmaRefusal.None, Call(host, one, Hypercall.MapDma, Place.Value, 0, 4096, 3).Refusal);
        for (int round = 0; round < 1000 && assignment.State == AssignmentState.Assigned; round++)
        {
            _ = bad.Write((ulong)round << 12, [1]);
            host.Loop.RunFor(1_000);
        }

        // As many as are borne, and those that came before it was stopped.
        Assert.InRange(host.Faults.CountOf(bad.Source), (ulong)faultsMax, (ulong)faultsMax + 100);
        Assert.Equal(AssignmentState.Quarantined, assignment.State);
        Assert.True(assignment.IsQuarantined);
        AssertNothingLeftBut(host, assignment, pins: 1);
        Assert.Equal(DmaStatus.NotMaster, bad.Write(0, [1]));
        Assert.Equal(DmaStatus.Success, good.Write(mapped, [1]));
        ulong delivered = one.Interrupts.Delivered;
        bad.Interrupt();
        host.Loop.RunFor(1_000_000);
        Assert.Equal(delivered, one.Interrupts.Delivered);

        // A reset lets it out; then it is like any other.
        Assert.Equal(AssignmentRefusal.WrongState, Run(host, () => assignment.Assign(one, Place)).Refusal);
        Assert.True(Run(host, assignment.Reset).IsDone);
        Assert.Equal(AssignmentState.Clean, assignment.State);
        Assert.True(Run(host, assignment.TakeBack).IsDone);
        Assert.True(Run(host, () => assignment.Assign(one, Place)).IsDone);
    }

    [Fact]
    public void Faults_within_the_bound_change_nothing()
    {
        using OneDevice world = new(storm: new(10, 1_000_000));
        (Host host, DmaDevice device, VirtualMachine vm, Assignment assignment) = world;
        world.Assign();
        vm.Pci.WriteConfiguration(Place, PciOffset.Command, 2, On);
        for (int fault = 0; fault < 100; fault++)
        {
            Assert.Equal(DmaStatus.Blocked, device.Write((ulong)fault << 12, [1]));
            host.Loop.RunFor(100_000);
        }

        Assert.Equal((AssignmentState.Assigned, 0ul), (assignment.State, host.Faults.Quarantines));
    }

    [Fact]
    public void A_device_that_did_not_come_back_stays_in_quarantine_until_a_reset_succeeds()
    {
        using OneDevice world = new();
        (Host host, DmaDevice device, VirtualMachine vm, Assignment assignment) = world;
        world.Assign();
        device.DiesAtReset = true;
        Assert.Equal(AssignmentRefusal.ResetFailed, Run(host, assignment.TakeBack).Refusal);
        Assert.Equal(AssignmentRefusal.ResetFailed, Run(host, assignment.TakeBack).Refusal);
        Assert.Equal(AssignmentState.Quarantined, assignment.State);

        // It answers again, after all.
        device.DiesAtReset = false;
        host.Pci.Add(device, 3);
        Assert.True(Run(host, assignment.TakeBack).IsDone);
        AssertWithHost(host, assignment);
        Assert.True(Run(host, () => assignment.Assign(vm, Place)).IsDone);
    }

    [Fact]
    public void A_device_that_does_not_answer_an_invalidation_is_put_there_soon()
    {
        using Host host = Small();
        PciBridge port = new(0x8086, 0x3420, accessControls: AccessControls.Usual);
        AtsDevice device = new(host.Loop);
        port.Secondary.Add(device, 0);
        host.Pci.Add(port, 1);
        host.Boot();
        VirtualMachine vm = host.CreateMachine("one", 2 * MiB);
        Assignment assignment = host.AssignmentOf(device.Source);
        assignment.TrustsDeviceTlb = true;
        Assert.True(Run(host, () => assignment.Assign(vm, Place)).IsDone);
        vm.Pci.WriteConfiguration(Place, PciOffset.Command, 2, On);
        ulong mapped = Call(host, vm, Hypercall.MapDma, Place.Value, 0x1000, 4096, 3).Value;
        device.Answer = AtsAnswer.Never;
        Assert.Equal(DmaRefusal.None, Call(host, vm, Hypercall.UnmapDma, Place.Value, mapped, 4096).Refusal);
        host.Loop.RunFor(1_000_000);
        Assert.Equal(AssignmentState.Quarantined, assignment.State);
        AssertNothingLeft(host, assignment, device.Source);
        Assert.True(Run(host, assignment.TakeBack).IsDone);
        AssertWithHost(host, assignment);
    }

    private static void AssertNothingLeftBut(Host host, Assignment assignment, ulong pins)
    {
        Assert.Null(assignment.Machine);
        Assert.Null(assignment.DomainId);
        Assert.Empty(assignment.MappedBars);
        Assert.Equal(pins, host.Frames.Pins);
    }
}
