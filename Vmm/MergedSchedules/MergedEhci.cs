using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The one EHCI controller that runs the merged schedule, an ordinary one, in the hands of the VMM.</summary>
internal sealed class MergedEhci : EhciHardware
{
    private readonly Processor _processor;

    private MergedEhci(RealFunction function, Processor processor)
        : base(function) => _processor = processor;

    /// <summary>Its microframes, which begin when it is told to run: what FRINDEX shows, without a read of it.</summary>
    public FrameClock Clock { get; } = new();

    /// <inheritdoc/>
    /// <remarks>Each access is charged to the VMM.</remarks>
    public override uint this[int operational]
    {
        get
        {
            _processor.Charge(Cost.RegisterAccess);
            return base[operational];
        }

        set
        {
            _processor.Charge(Cost.RegisterAccess);
            base[operational] = value;
        }
    }

    /// <summary>Looks at a function.</summary>
    /// <returns><c>null</c> where it is no EHCI controller.</returns>
    public static MergedEhci? TryOpen(RealFunction function, Processor processor) =>
        IsController(function) ? new(function, processor) : null;

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
}
