using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The registers of a real EHCI controller whose root ports have gates, in the hands of the VMM.</summary>
internal sealed class GatedEhci : EhciHardware
{
    private const int PortBytes = 4;

    private GatedEhci(RealFunction function)
        : base(function)
    {
    }

    /// <summary>Bytes behind BAR 0.</summary>
    public int WindowLength => (int)Function.Bars[0].Length;

    /// <summary>Each of its ports as a bit.</summary>
    public uint AllPorts => (1u << Structure.PortCount) - 1;

    /// <summary>Whose gates are closed, a bit for each port.</summary>
    public uint Gates
    {
        get => ReadGate(PortGateOffsets.Gate);
        set => WriteGate(PortGateOffsets.Gate, value);
    }

    /// <summary>Behind whose closed gates a change came.</summary>
    public uint Changed => ReadGate(PortGateOffsets.Changed);

    /// <summary>Looks at a function.</summary>
    /// <returns><c>null</c> where it is no EHCI controller with port gates.</returns>
    public static GatedEhci? TryOpen(RealFunction function) =>
        IsController(function) && function.Bars.Count == 2
            && function.ReadBar(PortGateOffsets.Bar, PortGateOffsets.Id, sizeof(uint)) == PortGateOffsets.IdValue
            ? new(function)
            : null;

    /// <summary>An access of the guest that has the controller.</summary>
    public ulong Read(ulong offset, int width) => Function.ReadBar(0, offset, width);

    /// <inheritdoc cref="Read"/>
    public void Write(ulong offset, int width, ulong value) => Function.WriteBar(0, offset, width, value);

    /// <summary>Forgets changes behind closed gates.</summary>
    public void ForgetChanges(uint ports) => WriteGate(PortGateOffsets.Changed, ports);

    /// <summary>PORTSC goes to its reset value, of these ports alone.</summary>
    public void ResetPorts(uint ports) => WriteGate(PortGateOffsets.Reset, ports);

    /// <summary>PORTSC of a port, with its gate open or closed.</summary>
    /// <param name="index">From 0 on.</param>
    public PortStatusControl Port(int index) => new(new(ReadGate(PortGateOffsets.FirstPort + (PortBytes * index))));

    /// <summary>Writes PORTSC of a port, with its gate open or closed.</summary>
    public void WritePort(int index, uint value) => WriteGate(PortGateOffsets.FirstPort + (PortBytes * index), value);

    private uint ReadGate(int offset) => (uint)Function.ReadBar(PortGateOffsets.Bar, (ulong)offset, sizeof(uint));

    private void WriteGate(int offset, uint value) => Function.WriteBar(PortGateOffsets.Bar, (ulong)offset, sizeof(uint), value);
}
