using Dma.Devices;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;
using static Dma.Properties.AssignmentWorld;

namespace Dma.Properties;

/// <summary>Devices that could translate for themselves, with a guest: what the host lets them do, and what the guest sees of it.</summary>
public sealed class DeviceTlbAssignmentTests : IDisposable
{
    private const int AccessControl = 0x106;

    private static readonly SourceId Port = new(0, 1, 0);
    private static readonly SourceId GuestPlace = new(0, 4, 0);

    private readonly Host _host = Small();
    private readonly AtsDevice _device;
    private readonly Assignment _assignment;
    private readonly VirtualMachine _vm;

    public DeviceTlbAssignmentTests()
    {
        PciBridge port = new(0x8086, 0x3420, accessControls: AccessControls.Usual);
        _device = new(_host.Loop);
        port.Secondary.Add(_device, 0);
        _host.Pci.Add(port, Port.Device);
        _host.Boot();
        _assignment = _host.AssignmentOf(_device.Source);
        _vm = _host.CreateMachine("one", 16 * MiB);
    }

    private AccessControls Checks => (AccessControls)_host.Pci.ReadConfiguration(Port, AccessControl, 2);

    public void Dispose() => _host.Dispose();

    [Fact]
    public void By_default_no_device_is_trusted_and_its_port_stops_what_says_that_it_is_translated()
    {
        Assert.Equal(AccessControls.Usual, Checks);
        ulong mapped = Assign();
        Assert.False(_device.Ats.IsEnabled || _assignment.UsesDeviceTlb);
        Assert.Equal((uint)DmaStatus.Success, _device.Do(AtsCommand.Write, mapped));
        Assert.Equal(0ul, _device.Port.Questions);
        Assert.Equal((uint)DmaStatus.AccessViolation, _device.Do(AtsCommand.ForgedWrite, 0x1000));
        _device.WriteBar(0, AtsDevice.ClaimRegister, 4, 0x8000_0018);
        Assert.Equal((uint)DmaStatus.AccessViolation, _device.Do(AtsCommand.ForgedRead, 0x1000));
        Assert.Equal(AssignmentResult.Done, Run(_host, _assignment.TakeBack));
        AssertWithHost(_host, _assignment);
    }

    [Fact]
    public void A_trusted_device_translates_while_its_guest_has_it_and_the_guest_cannot_tell()
    {
        _assignment.TrustsDeviceTlb = true;
        ulong mapped = Assign();
        Assert.True(_device.Ats.IsEnabled && _assignment.UsesDeviceTlb);
        Assert.Equal(AccessControls.Usual & ~AccessControls.TranslationBlocking, Checks);
        Assert.Equal((uint)DmaStatus.Success, _device.Do(AtsCommand.Write, mapped));
        Assert.Equal((1ul, 1), (_device.Port.Questions, _device.Port.Count));
        for (int offset = PciOffset.Extended; offset < PciOffset.End; offset += 4)
        {
            Assert.Equal(0u, _vm.Pci.ReadConfiguration(GuestPlace, offset, 4));
            _vm.Pci.WriteConfiguration(GuestPlace, offset, 4, 0);
        }

        Assert.True(_device.Ats.IsEnabled);
        Assert.Equal(DmaRefusal.None, Call(_host, _vm, Hypercall.UnmapDma, GuestPlace.Value, mapped, 4096).Refusal);
        Assert.Equal((uint)DmaStatus.Blocked, _device.Do(AtsCommand.Write, mapped));
        Assert.Equal(AssignmentResult.Done, Run(_host, _assignment.TakeBack));
        Assert.False(_device.Ats.IsEnabled);
        Assert.Equal(AccessControls.Usual, Checks);
        AssertWithHost(_host, _assignment);
    }

    [Fact]
    public void A_reset_by_the_guest_leaves_the_device_trusted_and_with_nothing_in_its_cache()
    {
        _assignment.TrustsDeviceTlb = true;
        ulong mapped = Assign();
        _ = _device.Do(AtsCommand.Write, mapped);
        int express = PciCapabilityList.Find(new GuestSpace(_vm), GuestPlace, PciCapabilityId.PciExpress);
        _vm.Pci.WriteConfiguration(GuestPlace, express + 8, 2, 0x8000);
        Assert.Equal((true, 0), (_device.Ats.IsEnabled, _device.Port.Count));
        Assert.Equal(DmaRefusal.None, Call(_host, _vm, Hypercall.UnmapDma, GuestPlace.Value, mapped, 4096).Refusal);
        Assert.False(_assignment.IsQuarantined);
    }

    [Fact]
    public void A_trusted_device_that_does_not_answer_loses_everything_and_is_taken_back_like_any_other()
    {
        _assignment.TrustsDeviceTlb = true;
        ulong mapped = Assign();
        _device.Answer = AtsAnswer.Never;
        Assert.Equal(DmaRefusal.None, Call(_host, _vm, Hypercall.UnmapDma, GuestPlace.Value, mapped, 4096).Refusal);
        Assert.True(_assignment.IsQuarantined);
        Assert.Equal((uint)DmaStatus.Blocked, _device.Do(AtsCommand.ForgedWrite, 0x1000));
        Assert.Equal(AssignmentResult.Done, Run(_host, _assignment.TakeBack));
        AssertWithHost(_host, _assignment);
    }

    private ulong Assign()
    {
        Assert.Equal(AssignmentResult.Done, Run(_host, () => _assignment.Assign(_vm, GuestPlace)));
        _vm.Pci.WriteConfiguration(GuestPlace, PciOffset.Command, 2, (uint)(PciCommand.BusMaster | PciCommand.MemorySpace));
        HypercallResult mapped = Call(_host, _vm, Hypercall.MapDma, GuestPlace.Value, 0x1000, 4096, (ulong)DmaDirection.Bidirectional);
        Assert.Equal(DmaRefusal.None, mapped.Refusal);
        return mapped.Value;
    }

    private sealed class GuestSpace(VirtualMachine machine) : IConfigurationAccess
    {
        public uint Read(int offset, int width) => machine.Pci.ReadConfiguration(GuestPlace, offset, width);

        public void Write(int offset, int width, uint value) => machine.Pci.WriteConfiguration(GuestPlace, offset, width, value);
    }
}
