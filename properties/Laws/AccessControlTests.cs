using Dma.Machine;

namespace Dma.Properties;

/// <summary>What a port with access control services lets through from below (PCI Express base, 6.12).</summary>
public sealed class AccessControlTests : IDisposable
{
    private const int Control = 0x106;
    private const int DeviceStatus = 0x4A;
    private const uint Correctable = 1;
    private const uint NonFatal = 2;
    private const uint Unsupported = 8;

    private static readonly SourceId RootPort = new(0, 1, 0);
    private static readonly SourceId Place = new(2, 0, 0);
    private static readonly DmaAttributes Translated = new(AddressType.Translated);

    private readonly PciWorld _world = new();
    private readonly PciBridge _port = new(0x8086, 0x3420, accessControls: AccessControls.Usual);
    private readonly ProbeFunction _function = new();
    private readonly byte[] _bytes = new byte[4];

    public AccessControlTests()
    {
        _ = _world.Add(_port, RootPort.Device);
        _port.Secondary.Add(_function, Place.Device);
        _world.Program(RootPort, Place.Bus, 4, 0xF000_0000, 0xF00F_FFFF);
        _world.Command(Place, PciCommand.BusMaster);
    }

    public void Dispose() => _world.Dispose();

    [Fact]
    public void A_port_that_checks_nothing_lets_everything_through_even_lies()
    {
        IDmaPort liar = _function.Forge(new(0, 9, 0));
        Assert.Equal(DmaStatus.Success, liar.Read(default, _bytes));
        Assert.Equal(DmaStatus.Success, liar.Write(default, _bytes, Translated));
        Assert.Equal(new(0, 9, 0), liar.Source);
        Assert.Equal([new(0, 9, 0)], _world.Opened);
        Assert.Equal(0u, Take(RootPort));
    }

    [Fact]
    public void Source_validation_holds_a_requester_to_the_buses_below_the_port()
    {
        Enable(AccessControls.SourceValidation);
        foreach (int bus in (int[])[0, 1, 5, 255])
        {
            IDmaPort outside = _function.Forge(new(bus, 0, 0));
            Assert.Equal(DmaStatus.AccessViolation, outside.Read(default, _bytes));
            Assert.Equal(Correctable, Take(RootPort));
            Assert.Equal(DmaStatus.AccessViolation, outside.Write(default, _bytes));
            Assert.Equal(NonFatal, Take(RootPort));
        }

        // A neighbour below the same port can still be named: what tells those apart stands further down.
        foreach (int bus in (int[])[2, 3, 4])
            Assert.Equal(DmaStatus.Success, _function.Forge(new(bus, 7, 1)).Read(default, _bytes));
        Assert.Equal(DmaStatus.Success, _function.Port.Write(default, _bytes, Translated));
        Assert.Empty(_world.Messages);
        Assert.Equal(0u, Take(RootPort));
    }

    [Fact]
    public void Source_validation_keeps_a_forged_interrupt_from_the_root()
    {
        IDmaPort liar = _function.Forge(new(0, 9, 0));
        Assert.Equal(DmaStatus.Success, liar.Write(new(InterruptRange.First), _bytes));
        Enable(AccessControls.SourceValidation);
        Assert.Equal(DmaStatus.AccessViolation, liar.Write(new(InterruptRange.First), _bytes));
        _ = Assert.Single(_world.Messages);
    }

    [Fact]
    public void Translation_blocking_stops_translated_requests_and_questions_but_nothing_else()
    {
        Enable(AccessControls.TranslationBlocking);
        Assert.Equal(DmaStatus.AccessViolation, _function.Port.Read(default, _bytes, Translated));
        Assert.Equal((Correctable, PciStatus.ReceivedTargetAbort), (Take(RootPort), TakeStatus()));
        Assert.Equal(DmaStatus.AccessViolation, _function.Port.Write(default, _bytes, Translated));
        Assert.Equal((NonFatal, PciStatus.None), (Take(RootPort), TakeStatus()));
        Assert.Equal(DmaStatus.AccessViolation, _function.Port.CompareSwap(default, 0, 1, out _, Translated));
        Assert.Equal(TranslationStatus.CompleterAbort, _function.Port.RequestTranslation(default, true).Status);
        Assert.Equal((Correctable, PciStatus.ReceivedTargetAbort), (Take(RootPort), TakeStatus()));
        Assert.Equal(DmaStatus.Success, _function.Port.Read(default, _bytes));
        Assert.Equal(DmaStatus.Success, _function.Port.CompareSwap(default, 0, 1, out _));
        Enable(AccessControls.None);
        Assert.Equal(DmaStatus.Success, _function.Port.Read(default, _bytes, Translated));

        // Behind the port nobody translates here.
        Assert.Equal(TranslationStatus.UnsupportedRequest, _function.Port.RequestTranslation(default, true).Status);
        Assert.Equal((Correctable | Unsupported, PciStatus.ReceivedMasterAbort), (Take(RootPort), TakeStatus()));
    }

    [Fact]
    public void The_downstream_port_of_a_switch_checks_before_the_root_port()
    {
        PciBridge upstream = new(0x8086, 0x3500, PciExpressType.SwitchUpstreamPort);
        PciBridge downstream = new(0x8086, 0x3510, PciExpressType.SwitchDownstreamPort, AccessControls.Usual);
        ProbeFunction function = new();
        _port.Secondary.Add(upstream, 8);
        upstream.Secondary.Add(downstream, 0);
        downstream.Secondary.Add(function, 0);
        _world.Program(new(2, 8, 0), 3, 4, 0xF000_0000, 0xF00F_FFFF);
        _world.Program(new(3, 0, 0), 4, 4, 0xF000_0000, 0xF00F_FFFF);
        _world.Command(new(4, 0, 0), PciCommand.BusMaster);
        Enable(AccessControls.SourceValidation);
        IDmaPort liar = function.Forge(Place);
        Assert.Equal(DmaStatus.Success, liar.Read(default, _bytes));
        _world.Write(new(3, 0, 0), Control, 2, (uint)AccessControls.SourceValidation);
        Assert.Equal(DmaStatus.AccessViolation, liar.Read(default, _bytes));
        Assert.Equal((Correctable, 0u), (Take(new(3, 0, 0)), Take(RootPort)));
        Assert.Equal(DmaStatus.Success, function.Port.Read(default, _bytes));
    }

    [Fact]
    public void A_liar_is_bound_by_its_own_command_register_and_follows_its_place()
    {
        IDmaPort liar = _function.Forge(new(0, 9, 0));
        _world.Command(Place, 0);
        Assert.Equal(DmaStatus.NotMaster, liar.Read(default, _bytes));
        _world.Command(Place, PciCommand.BusMaster);
        Assert.Equal(DmaStatus.Success, liar.Read(default, _bytes));
        _port.Secondary.Remove(_function);
        Assert.Equal(DmaStatus.NotMaster, liar.Read(default, _bytes));
        Assert.Equal(DmaStatus.NotMaster, _function.Port.Read(default, _bytes));
    }

    [Fact]
    public void A_bridge_to_a_conventional_bus_puts_its_own_name_on_a_lie()
    {
        PciBridge bridge = new(0x8086, 0x2448, PciExpressType.ExpressToConventional);
        ProbeFunction function = new();
        _port.Secondary.Add(bridge, 9);
        bridge.Secondary.Add(function, 5);
        _world.Program(new(2, 9, 0), 3, 3, 0xF000_0000, 0xF00F_FFFF);
        _world.Command(new(3, 5, 0), PciCommand.BusMaster);
        Enable(AccessControls.SourceValidation);
        IDmaPort liar = function.Forge(new(0, 9, 0));
        Assert.Equal(DmaStatus.Success, liar.Read(default, _bytes));
        Assert.Equal(new(3, 0, 0), liar.Source);
    }

    private void Enable(AccessControls checks) => _world.Write(RootPort, Control, 2, (uint)checks);

    private uint Take(SourceId port)
    {
        uint status = _world.Read(port, DeviceStatus, 2);
        _world.Write(port, DeviceStatus, 2, status);
        return status;
    }

    private PciStatus TakeStatus()
    {
        PciStatus status = (PciStatus)_world.Read(Place, PciOffset.Status, 2) & PciStatus.Errors;
        _world.Write(Place, PciOffset.Status, 2, (uint)status);
        return status;
    }
}
