using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The one EHCI controller that runs the merged schedule, an ordinary one, in the hands of the VMM.</summary>
internal sealed class RealEhci
{
    private readonly RealFunction _function;
    private readonly Processor _processor;
    private readonly int _base;

    private RealEhci(RealFunction function, Processor processor)
    {
        (_function, _processor) = (function, processor);
        _base = (byte)Capability(EhciCapabilityOffsets.Length);
        Structure = new(new(Capability(EhciCapabilityOffsets.StructuralParameters)));
        Capabilities = new(new(Capability(EhciCapabilityOffsets.CapabilityParameters)));
    }

    /// <summary>HCSPARAMS.</summary>
    public StructuralParameters Structure { get; }

    /// <summary>HCCPARAMS.</summary>
    public CapabilityParameters Capabilities { get; }

    /// <summary>Its microframes, which begin when it is told to run: what FRINDEX shows, without a read of it.</summary>
    public FrameClock Clock { get; } = new();

    /// <summary>Whether nobody answers any more: it was pulled out.</summary>
    public bool IsGone => (byte)Capability(EhciCapabilityOffsets.Length) == byte.MaxValue;

    /// <summary>USBCMD.</summary>
    public UsbCommand Command
    {
        get => new(new(this[EhciOperationalOffsets.UsbCommand]));
        set => this[EhciOperationalOffsets.UsbCommand] = value.Raw.Value;
    }

    /// <summary>USBSTS.</summary>
    public UsbStatus Status => new(new(this[EhciOperationalOffsets.UsbStatus]));

    /// <summary>An operational register, by its offset.</summary>
    public uint this[int operational]
    {
        get
        {
            _processor.Charge(Cost.RegisterAccess);
            return (uint)_function.ReadBar(0, (ulong)(_base + operational), sizeof(uint));
        }

        set
        {
            _processor.Charge(Cost.RegisterAccess);
            _function.WriteBar(0, (ulong)(_base + operational), sizeof(uint), value);
        }
    }

    /// <summary>Looks at a function.</summary>
    /// <returns><c>null</c> where it is no EHCI controller.</returns>
    public static RealEhci? TryOpen(RealFunction function, Processor processor) =>
        function.Identity.ClassCode == 0x0C0320 && function.Bars.Count != 0 ? new(function, processor) : null;

    /// <summary>Clears causes.</summary>
    public void Acknowledge(UsbStatus status) => this[EhciOperationalOffsets.UsbStatus] = status.Raw.Value & EhciRegisters.InterruptMask;

    /// <summary>PORTSC.</summary>
    /// <param name="index">From 0 on.</param>
    public PortStatusControl Port(int index) => new(new(this[PortAt(index)]));

    /// <summary>Writes PORTSC without clearing a change.</summary>
    public void SetPort(int index, PortStatusControl value) => this[PortAt(index)] = (value with { ConnectChange = false, EnableChange = false, OverCurrentChange = false }).Raw.Value;

    /// <summary>Clears the changes that a value shows, and no others.</summary>
    public void AcknowledgePort(int index, PortStatusControl value) => this[PortAt(index)] = value.Raw.Value;

    private static int PortAt(int index) => EhciOperationalOffsets.FirstPort + (sizeof(uint) * index);

    private uint Capability(int offset) => (uint)_function.ReadBar(0, (ulong)offset, sizeof(uint));
}
