using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The registers of an EHCI controller by name.</summary>
/// <remarks>
/// Every access is one bus transaction, and a value may change between two of them: read once, then decide.
/// Status bits that are cleared by writing ones are never written back by accident.
/// </remarks>
internal sealed class EhciRegisters
{
    // Written ones clear connect change, enable change and over-current change (bits 1, 3 and 5).
    private const uint PortChangeBits = 0x2A;

    // USBSTS bits 5:0 are cleared by written ones.
    private const uint StatusCauseBits = 0x3F;

    private readonly IRegisterWindow _window;
    private readonly int _operational;

    private EhciRegisters(IRegisterWindow window, int operational)
    {
        _window = window;
        _operational = operational;
        Structure = new(new(window.Read32(EhciCapabilityOffsets.StructuralParameters)));
        Capabilities = new(new(window.Read32(EhciCapabilityOffsets.CapabilityParameters)));
    }

    /// <summary>How the controller is built.</summary>
    public StructuralParameters Structure { get; }

    /// <summary>What it can do.</summary>
    public CapabilityParameters Capabilities { get; }

    /// <summary>What it shall do.</summary>
    public UsbCommand Command
    {
        get => new(new(Read(EhciOperationalOffsets.UsbCommand)));
        set => Write(EhciOperationalOffsets.UsbCommand, value.Raw.Value);
    }

    /// <summary>What happened.</summary>
    public UsbStatus Status => new(new(Read(EhciOperationalOffsets.UsbStatus)));

    /// <summary>Which events interrupt.</summary>
    public UsbInterrupts Interrupts
    {
        set => Write(EhciOperationalOffsets.InterruptEnable, value.Raw.Value);
    }

    /// <summary>Bits 63:32 of the addresses of all schedule structures.</summary>
    public uint Segment
    {
        set => Write(EhciOperationalOffsets.Segment, value);
    }

    /// <summary>The microframe that is on.</summary>
    public FrameIndex FrameIndex => new(new(Read(EhciOperationalOffsets.FrameIndex)));

    /// <summary>Bits 31:0 of the address of the frame list.</summary>
    public uint PeriodicListBase
    {
        set => Write(EhciOperationalOffsets.PeriodicListBase, value);
    }

    /// <summary>Bits 31:0 of the address of a queue head on the asynchronous list.</summary>
    public uint AsyncListAddress
    {
        set => Write(EhciOperationalOffsets.AsyncListAddress, value);
    }

    /// <summary>Whether the ports belong to this controller rather than to its companions.</summary>
    public ConfigureFlag ConfigureFlag
    {
        set => Write(EhciOperationalOffsets.ConfigureFlag, value.Raw.Value);
    }

    /// <summary>Finds the registers behind BAR 0.</summary>
    /// <exception cref="DriverException">What answers there is no EHCI controller.</exception>
    public static EhciRegisters Open(IDevice device)
    {
        IRegisterWindow window = device.OpenBar(0);
        int operational = window.Read8(EhciCapabilityOffsets.Length);
        EhciRegisters registers = new(window, operational);

        // All ones, the answer of an empty bus, would give 255 bytes of capabilities and 15 ports.
        int ports = registers.Structure.PortCount;
        bool answers = window.Read32(EhciCapabilityOffsets.Length) != uint.MaxValue;
        bool fits = operational >= EhciCapabilityOffsets.PortRoute
            && operational % 4 == 0
            && (ulong)(operational + EhciOperationalOffsets.FirstPort + 4 * ports) <= window.Length;
        return answers && fits && ports != 0
            ? registers
            : throw new DriverException(DriverFailure.NotAnEhciController, "What answers behind BAR 0 is no EHCI controller.");
    }

    /// <summary>Clears the causes that a status carries, and no others.</summary>
    public void Acknowledge(UsbStatus status) => Write(EhciOperationalOffsets.UsbStatus, status.Raw.Value & StatusCauseBits);

    /// <summary>Reads a root port.</summary>
    /// <param name="number">From 1.</param>
    public PortStatusControl Port(int number) => new(new(Read(PortOffset(number))));

    /// <summary>Writes a root port without clearing a change by accident.</summary>
    /// <param name="number">From 1.</param>
    /// <param name="value">As read, with what shall be different.</param>
    public void SetPort(int number, PortStatusControl value) => Write(PortOffset(number), value.Raw.Value & ~PortChangeBits);

    /// <summary>Clears the changes of a root port.</summary>
    /// <param name="number">From 1.</param>
    public void ClearPortChanges(int number) => Write(PortOffset(number), Read(PortOffset(number)) | PortChangeBits);

    private static int PortOffset(int number) => EhciOperationalOffsets.FirstPort + 4 * (number - 1);

    private uint Read(int offset) => _window.Read32(_operational + offset);

    private void Write(int offset, uint value) => _window.Write32(_operational + offset, value);
}
