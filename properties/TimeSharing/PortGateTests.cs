using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>The gates of root ports: what is behind a closed one keeps its state, and is not there for the driver of the registers.</summary>
public sealed class PortGateTests
{
    private const uint MillisecondNs = 1_000_000;
    private const int Port = PortGateOffsets.FirstPort;

    [Fact]
    public void Nothing_that_the_driver_of_the_registers_does_reaches_a_port_behind_a_closed_gate() => Property.Check(
        Generate.Program(from offset in Gen.Choose(0, 0x13) from value in Generate.Any64 select (offset: 0x20 + (4 * offset), value: (uint)value), 20),
        writes =>
        {
            using GatedBench bench = new();
            bench.EnablePort();
            uint before = bench.Gate(Port);
            bench.Gate(PortGateOffsets.Gate, 1);
            foreach ((int offset, uint value) in writes)
                bench.Controller.WriteBar(0, (ulong)offset, 4, value);
            Assert.False(bench.Controller.Usb.Ports[0].Passes);
            Assert.False(new PortStatusControl(new(bench.Register(EhciOperationalOffsets.FirstPort))).Connected);
            Assert.Equal(before, bench.Gate(Port));
            bench.Register(EhciOperationalOffsets.UsbCommand, 0);
            bench.Loop.RunFor(3 * MillisecondNs);
            bench.Register(EhciOperationalOffsets.UsbCommand, new UsbCommand { Reset = true }.Raw.Value);
            bench.Register(EhciOperationalOffsets.ConfigureFlag, 1);
            bench.Gate(PortGateOffsets.Gate, 0);
            Assert.Equal(before, bench.Register(EhciOperationalOffsets.FirstPort));
            Assert.True(bench.Controller.Usb.Ports[0].Passes);
        },
        count: 50);

    [Fact]
    public void A_change_behind_a_closed_gate_is_reported_when_it_opens_unless_it_is_forgotten()
    {
        foreach (bool forgets in (bool[])[false, true])
        {
            using GatedBench bench = new();
            bench.EnablePort();
            bench.Register(EhciOperationalOffsets.UsbStatus, 0x3F);
            bench.Gate(PortGateOffsets.Gate, 1);
            _ = bench.Controller.Usb.Ports[0].Unplug();
            Assert.Equal(1u, bench.Gate(PortGateOffsets.Changed));
            Assert.False(bench.Status.PortChange);
            Assert.True(new PortStatusControl(new(bench.Gate(Port))) is { Connected: false, ConnectChange: true });
            if (forgets)
                bench.Gate(PortGateOffsets.Changed, 1);
            bench.Gate(PortGateOffsets.Gate, 0);
            Assert.Equal((!forgets, 0u), (bench.Status.PortChange, bench.Gate(PortGateOffsets.Changed)));
        }
    }

    [Fact]
    public void A_port_is_reset_and_suspended_behind_its_gate_as_before_it()
    {
        using GatedBench bench = new();
        bench.Register(EhciOperationalOffsets.ConfigureFlag, 1);
        bench.Gate(PortGateOffsets.Gate, 1);
        bench.Gate(Port, new PortStatusControl { Power = true, Reset = true }.Raw.Value);
        bench.Loop.RunFor(50 * MillisecondNs);
        bench.Gate(Port, new PortStatusControl { Power = true }.Raw.Value);
        bench.Loop.RunFor(2 * MillisecondNs);
        Assert.True(new PortStatusControl(new(bench.Gate(Port))) is { Connected: true, Enabled: true, Reset: false });
        bench.Gate(Port, new PortStatusControl { Power = true, Enabled = true, Suspend = true }.Raw.Value);
        Assert.True(new PortStatusControl(new(bench.Gate(Port))).Suspend);
        bench.Gate(PortGateOffsets.Reset, 1);
        Assert.True(new PortStatusControl(new(bench.Gate(Port))) is { Connected: false, Enabled: false, Owner: true });
    }

    [Fact]
    public void Only_doublewords_that_exist_do_anything()
    {
        using GatedBench bench = new();
        Assert.Equal((PortGateOffsets.IdValue, 2u), (bench.Gate(PortGateOffsets.Id), bench.Gate(PortGateOffsets.Count)));
        bench.Controller.WriteBar(PortGateOffsets.Bar, PortGateOffsets.Gate, 1, 1);
        bench.Controller.WriteBar(PortGateOffsets.Bar, Port + 8, 4, uint.MaxValue);
        Assert.Equal((0u, 0u), (bench.Gate(PortGateOffsets.Gate), bench.Gate(Port + 8)));
        bench.Gate(PortGateOffsets.Gate, uint.MaxValue);
        Assert.Equal(3u, bench.Gate(PortGateOffsets.Gate));
        bench.Controller.ResetFunction();
        Assert.Equal(0u, bench.Gate(PortGateOffsets.Gate));
        using EhciBench plain = new();
        Assert.Equal(0ul, plain.Controller.BarSize(PortGateOffsets.Bar));
    }

    /// <summary>A controller with two gated ports, and a device at the first one.</summary>
    private sealed class GatedBench : IDisposable
    {
        private readonly EhciBench _bench = new(new() { PortCount = 2, PortGates = true });

        public GatedBench() => Controller.Usb.Ports[0].Plug(new TaggedDevice(1));

        public EhciController Controller => (EhciController)_bench.Controller;

        public Dma.Machine.EventLoop Loop => _bench.Loop;

        public UsbStatus Status => _bench.Status;

        public uint Register(int operational) => (uint)Controller.ReadBar(0, (ulong)(0x20 + operational), 4);

        public void Register(int operational, uint value) => Controller.WriteBar(0, (ulong)(0x20 + operational), 4, value);

        public uint Gate(int offset) => (uint)Controller.ReadBar(PortGateOffsets.Bar, (ulong)offset, 4);

        public void Gate(int offset, uint value) => Controller.WriteBar(PortGateOffsets.Bar, (ulong)offset, 4, value);

        public void EnablePort()
        {
            Register(EhciOperationalOffsets.ConfigureFlag, 1);
            Register(EhciOperationalOffsets.FirstPort, new PortStatusControl { Power = true, Reset = true, ConnectChange = true }.Raw.Value);
            Loop.RunFor(50 * MillisecondNs);
            Register(EhciOperationalOffsets.FirstPort, new PortStatusControl { Power = true }.Raw.Value);
            Loop.RunFor(2 * MillisecondNs);
            Assert.True(Controller.Usb.Ports[0].Passes);
        }

        public void Dispose() => _bench.Dispose();
    }
}
