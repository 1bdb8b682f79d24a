using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The registers of an xHCI controller by name.</summary>
/// <remarks>
/// Every access is one bus transaction, and a value may change between two of them: read once, then decide.
/// Status bits that are cleared by writing ones are never written back by accident.
/// </remarks>
internal sealed class XhciRegisters
{
    // Of PORTSC, what a write keeps as it is: power, indicator and wake bits. Ones written to all others do something.
    private const uint PortKeptBits = 0x0E00_C200;

    // Connect, enable, warm reset, over-current, reset, link state and configuration changes.
    private const uint PortChangeBits = 0x00FE_0000;

    // The causes in USBSTS that written ones clear: host system error, event interrupt, port change, save and restore error.
    private const uint StatusCauseBits = 0x41C;

    private readonly IRegisterWindow _window;
    private readonly int _operational;
    private readonly int _runtime;
    private readonly int _doorbells;

    private XhciRegisters(IRegisterWindow window)
    {
        _window = window;
        _operational = window.Read8(XhciCapabilityOffsets.Length);
        _runtime = (int)(window.Read32(XhciCapabilityOffsets.RuntimeOffset) & ~0x1Fu);
        _doorbells = (int)(window.Read32(XhciCapabilityOffsets.DoorbellOffset) & ~0x3u);
        Structure1 = new(new(window.Read32(XhciCapabilityOffsets.StructuralParameters1)));
        Structure2 = new(new(window.Read32(XhciCapabilityOffsets.StructuralParameters2)));
        Capabilities = new(new(window.Read32(XhciCapabilityOffsets.CapabilityParameters1)));
    }

    /// <summary>How many slots, interrupters and ports.</summary>
    public XhciStructuralParameters1 Structure1 { get; }

    /// <summary>How far ahead, and how much memory of software's the controller wants for itself.</summary>
    public XhciStructuralParameters2 Structure2 { get; }

    /// <summary>What it can do.</summary>
    public XhciCapabilityParameters1 Capabilities { get; }

    /// <summary>What it shall do.</summary>
    public XhciCommand Command
    {
        get => new(new(Read(XhciOperationalOffsets.Command)));
        set => Write(XhciOperationalOffsets.Command, value.Raw.Value);
    }

    /// <summary>What happened.</summary>
    public XhciStatus Status => new(new(Read(XhciOperationalOffsets.Status)));

    /// <summary>Whether it works with pages of 4 KiB.</summary>
    public bool HasSmallPages => (Read(XhciOperationalOffsets.PageSize) & 1) != 0;

    /// <summary>How many slots software uses.</summary>
    public XhciConfigure Configure
    {
        set => Write(XhciOperationalOffsets.Configure, value.Raw.Value);
    }

    /// <summary>Where the pointers to device contexts are.</summary>
    public ContextPointer ContextArray
    {
        set => Write64(_operational + XhciOperationalOffsets.ContextArray, value.Raw.Value);
    }

    /// <summary>Where the command ring begins.</summary>
    public CommandRingControl CommandRing
    {
        set => Write64(_operational + XhciOperationalOffsets.CommandRing, value.Raw.Value);
    }

    /// <summary>Whether interrupter 0 interrupts.</summary>
    public InterrupterManagement Management
    {
        set => _window.Write32(Interrupter + XhciRuntimeOffsets.Management, value.Raw.Value);
    }

    /// <summary>How often at most.</summary>
    public InterrupterModeration Moderation
    {
        set => _window.Write32(Interrupter + XhciRuntimeOffsets.Moderation, value.Raw.Value);
    }

    /// <summary>How many segments the event ring has.</summary>
    public int EventSegments
    {
        set => _window.Write32(Interrupter + XhciRuntimeOffsets.TableSize, (uint)value);
    }

    /// <summary>Where the table of these segments is; writing it starts the ring anew.</summary>
    public ContextPointer EventTable
    {
        set => Write64(Interrupter + XhciRuntimeOffsets.TableBase, value.Raw.Value);
    }

    /// <summary>Which event software looks at next.</summary>
    public EventRingDequeue EventDequeue
    {
        set => Write64(Interrupter + XhciRuntimeOffsets.Dequeue, value.Raw.Value);
    }

    private int Interrupter => _runtime + XhciRuntimeOffsets.FirstInterrupter;

    /// <summary>Finds the registers behind BAR 0.</summary>
    /// <exception cref="DriverException">What answers there is no xHCI controller.</exception>
    public static XhciRegisters Open(IDevice device)
    {
        IRegisterWindow window = device.OpenBar(0);
        if (window.Read32(XhciCapabilityOffsets.Length) == uint.MaxValue)
            throw NotXhci();
        XhciRegisters registers = new(window);
        XhciStructuralParameters1 structure = registers.Structure1;
        ulong ports = (ulong)(registers._operational + XhciOperationalOffsets.FirstPort + XhciOperationalOffsets.PortStride * structure.PortCount);
        bool fits = registers._operational >= XhciCapabilityOffsets.CapabilityParameters2
            && registers._operational % 4 == 0
            && ports <= window.Length
            && Fits(window, registers._runtime, XhciRuntimeOffsets.FirstInterrupter + XhciRuntimeOffsets.InterrupterStride)
            && Fits(window, registers._doorbells, 4 * (1 + structure.SlotCount));
        return fits && structure is { PortCount: not 0, SlotCount: not 0, InterrupterCount: not 0 } ? registers : throw NotXhci();
    }

    /// <summary>Clears the causes that a status carries, and no others.</summary>
    public void Acknowledge(XhciStatus status) => Write(XhciOperationalOffsets.Status, status.Raw.Value & StatusCauseBits);

    /// <summary>Reads a root port.</summary>
    /// <param name="number">From 1.</param>
    public XhciPortStatusControl Port(int number) => new(new(Read(PortOffset(number))));

    /// <summary>Writes a root port: what is set in it happens, everything else stays.</summary>
    /// <param name="number">From 1.</param>
    /// <param name="request">What shall happen, such as a reset.</param>
    public void RequestOfPort(int number, XhciPortStatusControl request) =>
        Write(PortOffset(number), (Read(PortOffset(number)) & PortKeptBits) | request.Raw.Value);

    /// <summary>Clears the changes of a root port.</summary>
    /// <param name="number">From 1.</param>
    public void ClearPortChanges(int number) => RequestOfPort(number, new(new(PortChangeBits)));

    /// <summary>Tells the controller that there is work.</summary>
    /// <param name="slot">The device, or 0 for the command ring.</param>
    /// <param name="doorbell">Which endpoint.</param>
    public void Ring(int slot, XhciDoorbell doorbell) => _window.Write32(_doorbells + 4 * slot, doorbell.Raw.Value);

    private static bool Fits(IRegisterWindow window, int offset, int length) =>
        offset > 0 && (ulong)offset + (ulong)length <= window.Length;

    private static DriverException NotXhci() => new(DriverFailure.NotAnXhciController, "What answers behind BAR 0 is no xHCI controller.");

    private static int PortOffset(int number) => XhciOperationalOffsets.FirstPort + XhciOperationalOffsets.PortStride * (number - 1);

    private uint Read(int offset) => _window.Read32(_operational + offset);

    private void Write(int offset, uint value) => _window.Write32(_operational + offset, value);

    // In two halves, low first: not every path to a controller carries eight bytes at once, and every controller takes these.
    private void Write64(int offset, ulong value)
    {
        _window.Write32(offset, (uint)value);
        _window.Write32(offset + 4, (uint)(value >> 32));
    }
}
