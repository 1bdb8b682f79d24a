using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The registers behind BAR 0 of a device by class, in the order in which changes that are found together are dealt with.</summary>
/// <remarks>
/// Memory does not tell in which order it was written. So where a poller finds several changes, those come first that
/// others build on: addresses before the command that uses them, status before commands, doorbells last. Registers of 64 bits are
/// two cells, since drivers write them in halves: between the halves, a whole would be an address that nobody wrote.
/// </remarks>
public sealed class PolledRegisterMap
{
    private const int EhciClass = 0x0C0320;
    private const int XhciClass = 0x0C0330;

    /// <summary>A map.</summary>
    /// <param name="cells">The registers, in the order in which changes are dealt with; each within one page.</param>
    public PolledRegisterMap(IReadOnlyList<PolledCell> cells)
    {
        if (cells.Any(cell => cell.Width is not (4 or 8) || cell.Offset < 0 || cell.Offset % cell.Width != 0))
            throw new ArgumentException("Cells have 4 or 8 bytes and are aligned.", nameof(cells));
        Cells = cells;
    }

    /// <summary>The registers.</summary>
    public IReadOnlyList<PolledCell> Cells { get; }

    /// <summary>Whether a class can be polled: what it loses can happen only within one period, or where a doorbell may rest at another value than zero.</summary>
    public static bool IsSafe(RegisterClass registerClass) => registerClass != RegisterClass.ClearOnOne;

    /// <summary>The map of a USB controller, by its class code and its capability registers.</summary>
    /// <exception cref="ArgumentException">It is neither EHCI nor xHCI.</exception>
    public static PolledRegisterMap Of(PciFunction function) => (int)(function.Configuration.Read(PciOffset.Revision, 4) >> 8) switch
    {
        EhciClass => Ehci(function),
        XhciClass => Xhci(function),
        _ => throw new ArgumentException("There are maps of EHCI and xHCI controllers.", nameof(function)),
    };

    private static PolledRegisterMap Ehci(PciFunction function)
    {
        int at = (int)function.ReadBar(0, EhciCapabilityOffsets.Length, 1);
        StructuralParameters structure = new(new((uint)function.ReadBar(0, EhciCapabilityOffsets.StructuralParameters, 4)));
        return new(
        [
            new(EhciCapabilityOffsets.Length, 4, "CAPLENGTH, HCIVERSION", RegisterClass.Constant),
            new(EhciCapabilityOffsets.StructuralParameters, 4, "HCSPARAMS", RegisterClass.Constant),
            new(EhciCapabilityOffsets.CapabilityParameters, 4, "HCCPARAMS", RegisterClass.Constant),
            new(EhciCapabilityOffsets.PortRoute, 4, "HCSP-PORTROUTE", RegisterClass.Constant),
            new(EhciCapabilityOffsets.PortRoute + 4, 4, "HCSP-PORTROUTE (high)", RegisterClass.Constant),
            new(at + EhciOperationalOffsets.Segment, 4, "CTRLDSSEGMENT", RegisterClass.Plain),
            new(at + EhciOperationalOffsets.PeriodicListBase, 4, "PERIODICLISTBASE", RegisterClass.Plain),
            new(at + EhciOperationalOffsets.AsyncListAddress, 4, "ASYNCLISTADDR", RegisterClass.Plain),
            new(at + EhciOperationalOffsets.FrameIndex, 4, "FRINDEX", RegisterClass.FreeRunning),
            new(at + EhciOperationalOffsets.UsbStatus, 4, "USBSTS", RegisterClass.ClearOnOne),
            new(at + EhciOperationalOffsets.InterruptEnable, 4, "USBINTR", RegisterClass.Plain),
            new(at + EhciOperationalOffsets.UsbCommand, 4, "USBCMD", RegisterClass.Command),
            new(at + EhciOperationalOffsets.ConfigureFlag, 4, "CONFIGFLAG", RegisterClass.Command),
            .. Enumerable.Range(0, structure.PortCount).Select(port =>
                new PolledCell(at + EhciOperationalOffsets.FirstPort + (4 * port), 4, $"PORTSC{port + 1}", RegisterClass.ClearOnOne)),
        ]);
    }

    private static PolledRegisterMap Xhci(PciFunction function)
    {
        int at = (int)function.ReadBar(0, XhciCapabilityOffsets.Length, 1);
        int runtime = (int)function.ReadBar(0, XhciCapabilityOffsets.RuntimeOffset, 4) & ~0x1F;
        int doorbells = (int)function.ReadBar(0, XhciCapabilityOffsets.DoorbellOffset, 4) & ~0x3;
        XhciStructuralParameters1 structure = new(new((uint)function.ReadBar(0, XhciCapabilityOffsets.StructuralParameters1, 4)));
        XhciCapabilityParameters1 capability = new(new((uint)function.ReadBar(0, XhciCapabilityOffsets.CapabilityParameters1, 4)));
        return new(
        [
            .. Enumerable.Range(0, at / 4).Select(index => new PolledCell(4 * index, 4, $"capability registers, {4 * index:X}h", RegisterClass.Constant)),
            .. Extended(function, capability.ExtendedCapabilities * 4),
            new(at + XhciOperationalOffsets.PageSize, 4, "PAGESIZE", RegisterClass.Constant),
            new(at + XhciOperationalOffsets.Configure, 4, "CONFIG", RegisterClass.Plain),
            .. Halves(at + XhciOperationalOffsets.ContextArray, "DCBAAP", RegisterClass.Plain),
            .. Halves(at + XhciOperationalOffsets.CommandRing, "CRCR", RegisterClass.Command),
            new(at + XhciOperationalOffsets.NotificationControl, 4, "DNCTRL", RegisterClass.Plain),
            new(runtime + XhciRuntimeOffsets.MicroframeIndex, 4, "MFINDEX", RegisterClass.FreeRunning),
            .. Enumerable.Range(0, structure.InterrupterCount).SelectMany(index => Interrupter(runtime, index)),
            new(at + XhciOperationalOffsets.Status, 4, "USBSTS", RegisterClass.ClearOnOne),
            new(at + XhciOperationalOffsets.Command, 4, "USBCMD", RegisterClass.Command),
            .. Enumerable.Range(0, structure.PortCount).SelectMany(index => Port(at, index)),
            new(doorbells, 4, "DB0", RegisterClass.ZeroDoorbell),
            .. Enumerable.Range(1, structure.SlotCount).Select(slot => new PolledCell(doorbells + (4 * slot), 4, $"DB{slot}", RegisterClass.Doorbell)),
        ]);
    }

    // The list of extended capabilities, with the two doublewords of legacy support, or the four of a supported protocol, and no further than its page.
    private static IEnumerable<PolledCell> Extended(PciFunction function, int first)
    {
        for (int offset = first; offset is > 0 and < 0xC00;)
        {
            XhciExtendedCapability header = new(new((uint)function.ReadBar(0, (ulong)offset, 4)));
            bool isLegacy = header.Id == XhciExtendedId.LegacySupport;
            for (int index = 0; index < (isLegacy ? 2 : 4); index++)
            {
                RegisterClass registerClass = !isLegacy ? RegisterClass.Constant : index == 0 ? RegisterClass.Command : RegisterClass.ClearOnOne;
                yield return new(offset + (4 * index), 4, $"{header.Id}, {4 * index:X}h", registerClass);
            }

            if (header.Next == 0)
                yield break;
            offset += header.Next * 4;
        }
    }

    private static IEnumerable<PolledCell> Interrupter(int runtime, int index)
    {
        int at = runtime + XhciRuntimeOffsets.FirstInterrupter + (index * XhciRuntimeOffsets.InterrupterStride);
        return
        [
            new(at + XhciRuntimeOffsets.TableSize, 4, $"ERSTSZ{index}", RegisterClass.Plain),
            .. Halves(at + XhciRuntimeOffsets.Dequeue, $"ERDP{index}", RegisterClass.ClearOnOne),
            .. Halves(at + XhciRuntimeOffsets.TableBase, $"ERSTBA{index}", RegisterClass.Command),
            new(at + XhciRuntimeOffsets.Moderation, 4, $"IMOD{index}", RegisterClass.Plain),
            new(at + XhciRuntimeOffsets.Management, 4, $"IMAN{index}", RegisterClass.ClearOnOne),
        ];
    }

    private static IEnumerable<PolledCell> Port(int operational, int index)
    {
        int at = operational + XhciOperationalOffsets.FirstPort + (index * XhciOperationalOffsets.PortStride);
        return
        [
            new(at + XhciOperationalOffsets.PortStatus, 4, $"PORTSC{index + 1}", RegisterClass.ClearOnOne),
            new(at + XhciOperationalOffsets.PortPower, 4, $"PORTPMSC{index + 1}", RegisterClass.Plain),
            new(at + XhciOperationalOffsets.PortLink, 4, $"PORTLI{index + 1}", RegisterClass.FreeRunning),
            new(at + XhciOperationalOffsets.PortHardwareLpm, 4, $"PORTHLPMC{index + 1}", RegisterClass.Plain),
        ];
    }

    private static IEnumerable<PolledCell> Halves(int offset, string name, RegisterClass registerClass) =>
        [new(offset, 4, name, registerClass), new(offset + 4, 4, $"{name} (high)", registerClass)];
}
