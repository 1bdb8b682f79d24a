using Dma.Devices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Requests that say that they are translated, of a device that translated nothing: what stops them, and where trust begins.</summary>
public sealed class ForgedRequestTests : IDisposable
{
    private const ulong Address = 0x10_0000;
    private const ulong Frame = 0x20_0000;
    private const ulong Victim = 0x30_0000;

    private readonly AtsWorld _world = new();

    private AtsDevice Device => _world.Device;

    public void Dispose() => _world.Dispose();

    [Fact]
    public void They_pass_where_the_entry_of_the_device_trusts_it()
    {
        Device.WriteBar(0, AtsDevice.BufferStart, 8, 0xBAD);
        Assert.Equal((uint)DmaStatus.Success, Device.Do(AtsCommand.ForgedWrite, Victim));
        Assert.Equal(0xBADul, _world.Load(Victim));

        // Whatever the enable bit in the device says: it asks nobody.
        _world.EnableAts(false);
        Assert.Equal((uint)DmaStatus.Success, Device.Do(AtsCommand.ForgedWrite, Victim + 8));
        Assert.Empty(_world.World.Faults);
    }

    [Fact]
    public void They_do_not_reach_interrupts_nor_beyond_the_host()
    {
        Assert.Equal((uint)DmaStatus.Blocked, Device.Do(AtsCommand.ForgedWrite, InterruptRange.First, 4));
        Assert.Equal(FaultReason.OutputInInterruptRange, _world.World.TakeFault().Fault.Reason);
        Assert.Equal((uint)DmaStatus.Blocked, Device.Do(AtsCommand.ForgedRead, 1ul << _world.World.Profile.HostAddressWidth));
        Assert.Equal(FaultReason.AddressBeyondWidth, _world.World.TakeFault().Fault.Reason);
        Assert.Empty(_world.World.Messages);
    }

    [Theory]
    [InlineData(TranslationType.UntranslatedOnly)]
    [InlineData(TranslationType.PassThrough)]
    public void The_unit_blocks_them_where_the_entry_does_not(TranslationType type)
    {
        _world.SetContext(type);
        Assert.Equal((uint)DmaStatus.Blocked, Device.Do(AtsCommand.ForgedWrite, Victim));
        var (fault, _) = _world.World.TakeFault();
        Assert.Equal((FaultReason.RequestTypeBlocked, AddressType.Translated), (fault.Reason, fault.Attributes.AddressType));
        Assert.Equal(AddressType.Translated, _world.World.Record(0).AddressType);
        Assert.Equal(0ul, _world.Load(Victim));
    }

    [Fact]
    public void In_scalable_mode_the_unit_blocks_them_where_DTE_is_clear()
    {
        foreach (bool enabled in (bool[])[false, true])
        {
            using ScalableWorld world = ScalableFaultCases.Create(new(default, default, PasidTranslationType.SecondStage, (_, _) => { }), out _);
            world.Context = world.Context with { DeviceTlbEnabled = enabled };
            DmaStatus status = world.World.Port.Write(new(Victim), [1], new(AddressType.Translated));
            Assert.Equal(enabled ? DmaStatus.Success : DmaStatus.Blocked, status);
            if (!enabled)
                Assert.Equal(FaultReason.DeviceTlbDisabled, world.World.TakeFault().Fault.Reason);
        }
    }

    [Fact]
    public void Translation_blocking_in_the_port_above_stops_them_before_the_unit_whatever_its_tables_say()
    {
        _world.CheckAtPort(AccessControls.TranslationBlocking);
        Assert.Equal((uint)DmaStatus.AccessViolation, Device.Do(AtsCommand.ForgedWrite, Victim));
        Assert.Equal((uint)DmaStatus.AccessViolation, Device.Do(AtsCommand.ForgedRead, Victim));
        Assert.Empty(_world.World.Faults);
        Assert.Equal(0ul, _world.Load(Victim));
    }

    [Fact]
    public void The_name_of_a_trusted_device_is_worth_as_much_as_its_bus_is_out_of_reach()
    {
        // A device on bus 0 is trusted; this one is not.
        SourceId trusted = new(0, 9, 0);
        _world.World.PutContext(trusted, _world.World.Context(_world.Table) with { TranslationType = TranslationType.WithDeviceTlb });
        _world.SetContext(TranslationType.UntranslatedOnly);
        Device.WriteBar(0, AtsDevice.ClaimRegister, 4, 0x8000_0000 | trusted.Value);
        Assert.Equal((uint)DmaStatus.Success, Device.Do(AtsCommand.ForgedWrite, Victim));
        _world.CheckAtPort(AccessControls.SourceValidation);
        Assert.Equal((uint)DmaStatus.AccessViolation, Device.Do(AtsCommand.ForgedWrite, Victim));
        Device.WriteBar(0, AtsDevice.ClaimRegister, 4, 0);
        Assert.Equal((uint)DmaStatus.Blocked, Device.Do(AtsCommand.ForgedWrite, Victim));
    }

    [Fact]
    public void A_device_that_lies_about_having_forgotten_goes_on_until_its_entry_is_cleared()
    {
        _world.Map(Address, Frame);
        _ = Device.Do(AtsCommand.Write, Address);
        Device.Answer = AtsAnswer.Liar;
        _world.Map(Address, 0, read: false, write: false);
        _world.Submit(AtsWorld.IotlbPages(Address, 0), AtsWorld.DevicePages(Address, 0));
        Assert.True(_world.IsDone);
        Device.WriteBar(0, AtsDevice.BufferStart, 8, 0xBAD);
        Assert.Equal((uint)DmaStatus.Success, Device.Do(AtsCommand.Write, Address));
        Assert.Equal(0xBADul, _world.Load(Frame));
        _world.SetContext(TranslationType.WithDeviceTlb, present: false);
        Assert.Equal((uint)DmaStatus.Blocked, Device.Do(AtsCommand.Write, Address));
        Assert.Equal(FaultReason.ContextNotPresent, _world.World.TakeFault().Fault.Reason);
    }
}
