using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The registers of a real EHCI controller whose root ports have gates, in the hands of the VMM.</summary>
internal sealed class EhciHardware
{
    private const int PortBytes = 4;

    private readonly RealFunction _function;

    private EhciHardware(RealFunction function)
    {
        _function = function;
        OperationalBase = (byte)Capability(EhciCapabilityOffsets.Length);
        Structure = new(new(Capability(EhciCapabilityOffsets.StructuralParameters)));
        Capabilities = new(new(Capability(EhciCapabilityOffsets.CapabilityParameters)));
    }

    /// <summary>CAPLENGTH: where the operational registers begin.</summary>
    public int OperationalBase { get; }

    /// <summary>HCSPARAMS.</summary>
    public StructuralParameters Structure { get; }

    /// <summary>HCCPARAMS.</summary>
    public CapabilityParameters Capabilities { get; }

    /// <summary>Bytes behind BAR 0.</summary>
    public int WindowLength => (int)_function.Bars[0].Length;

    /// <summary>Each of its ports as a bit.</summary>
    public uint AllPorts => (1u << Structure.PortCount) - 1;

    /// <summary>Whether nobody answers any more: it was pulled out.</summary>
    public bool IsGone => (byte)Capability(EhciCapabilityOffsets.Length) == byte.MaxValue;

    /// <summary>USBSTS.</summary>
    public UsbStatus Status => new(new(this[EhciOperationalOffsets.UsbStatus]));

    /// <summary>USBCMD.</summary>
    public UsbCommand Command
    {
        get => new(new(this[EhciOperationalOffsets.UsbCommand]));
        set => this[EhciOperationalOffsets.UsbCommand] = value.Raw.Value;
    }

    /// <summary>Whose gates are closed, a bit for each port.</summary>
    public uint Gates
    {
        get => ReadGate(PortGateOffsets.Gate);
        set => WriteGate(PortGateOffsets.Gate, value);
    }

    /// <summary>Behind whose closed gates a change came.</summary>
    public uint Changed => ReadGate(PortGateOffsets.Changed);

    /// <summary>An operational register, by its offset.</summary>
    public uint this[int operational]
    {
        get => (uint)_function.ReadBar(0, (ulong)(OperationalBase + operational), sizeof(uint));
        set => _function.WriteBar(0, (ulong)(OperationalBase + operational), sizeof(uint), value);
    }

    /// <summary>Looks at a function.</summary>
    /// <returns><c>null</c> where it is no EHCI controller with port gates.</returns>
    public static EhciHardware? TryOpen(RealFunction function) =>
        function.Identity.ClassCode == 0x0C0320 && function.Bars.Count == 2
            && function.ReadBar(PortGateOffsets.Bar, PortGateOffsets.Id, sizeof(uint)) == PortGateOffsets.IdValue
            ? new(function)
            : null;

    /// <summary>A capability register.</summary>
    public uint Capability(int offset) => (uint)_function.ReadBar(0, (ulong)offset, sizeof(uint));

    /// <summary>An access of the guest that has the controller.</summary>
    public ulong Read(ulong offset, int width) => _function.ReadBar(0, offset, width);

    /// <inheritdoc cref="Read"/>
    public void Write(ulong offset, int width, ulong value) => _function.WriteBar(0, offset, width, value);

    /// <summary>Forgets changes behind closed gates.</summary>
    public void ForgetChanges(uint ports) => WriteGate(PortGateOffsets.Changed, ports);

    /// <summary>PORTSC goes to its reset value, of these ports alone.</summary>
    public void ResetPorts(uint ports) => WriteGate(PortGateOffsets.Reset, ports);

    /// <summary>PORTSC of a port, with its gate open or closed.</summary>
    /// <param name="index">From 0 on.</param>
    public PortStatusControl Port(int index) => new(new(ReadGate(PortGateOffsets.FirstPort + (PortBytes * index))));

    /// <summary>Writes PORTSC of a port, with its gate open or closed.</summary>
    public void WritePort(int index, uint value) => WriteGate(PortGateOffsets.FirstPort + (PortBytes * index), value);

    private uint ReadGate(int offset) => (uint)_function.ReadBar(PortGateOffsets.Bar, (ulong)offset, sizeof(uint));

    private void WriteGate(int offset, uint value) => _function.WriteBar(PortGateOffsets.Bar, (ulong)offset, sizeof(uint), value);
}
