using Dma.Machine;

namespace Dma.UsbDevice;

/// <summary>An EHCI controller, USB 2.0, as a PCI Express function that has its bus alone.</summary>
public class EhciController : EhciFunction
{
    private readonly PortGates? _gates;

    /// <summary>A controller; plug it into a bus.</summary>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="options">How it is built.</param>
    /// <param name="identity">Who it says it is; its class code should stay 0C0320h.</param>
    public EhciController(EventLoop loop, EhciOptions? options = null, PciIdentity? identity = null)
        : this(EhciOptions.Check(options), loop, identity)
    {
    }

    private EhciController(EhciOptions options, EventLoop loop, PciIdentity? identity)
        : base(new EhciEngine(loop, options.PortCount, options), options, identity ?? new PciIdentity(0x8086, 0x293A, 0x0C0320))
    {
        for (int port = 0; port < options.PortCount; port++)
            Engine.RootHub.Give(port, Set);
        if (!options.PortGates)
            return;
        AddMemoryBar(PortGateOffsets.Bar, PortGateOffsets.WindowLength);
        _gates = new(Set, loop);
    }

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width) =>
        bar == PortGateOffsets.Bar ? _gates?.Read(offset, width) ?? 0 : base.ReadBar(bar, offset, width);

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        if (bar == PortGateOffsets.Bar)
            _gates?.Write(offset, width, (uint)value);
        else
            base.WriteBar(bar, offset, width, value);
    }

    /// <summary>Lets too much current flow through a root port, or ends that.</summary>
    /// <param name="port">From 1 on.</param>
    /// <param name="isOver">Whether it is too much.</param>
    public void SetOverCurrent(int port, bool isOver) => Engine.RootHub.SetOverCurrent(port - 1, isOver);

    /// <inheritdoc/>
    protected override void OnReset()
    {
        _gates?.Open();
        base.OnReset();
    }
}
