using System.Runtime.InteropServices;
using Dma.UsbDevice.Spec;

namespace Dma.Lab;

/// <summary>Steps of a VM that programs its xHCI controller, with care or without.</summary>
/// <remarks>Structures stand from the start of the VM's memory on, as <see cref="XhciHostileMemory"/> lays them out.</remarks>
internal static class XhciSteps
{
    private const int Operational = 0x40;
    private const int Runtime = 0x1000;
    private const int Doorbells = 0x2000;
    private const int RegionBytes = 0x10000;
    private const int Page = 0x1000;
    private const int SegmentTable = 0x800;
    private const int ContextStride = 32;
    private const ulong MicroframeNs = 125_000;
    private static readonly GuestParameter _guest = new();
    private static readonly DeviceParameter _device = new();

    /// <summary>The kinds.</summary>
    public static IReadOnlyList<StepVerb> All { get; } =
    [
        new("xhci-wake", 3, static (world, step) => Wake(world, step.Guest(0), step.Device(1)), _guest, _device),
        new("xhci-fill", 5, static (world, step) => Fill(world, step), _guest, _device, new NumberParameter("SEED", 0xFFFF)),
        new("xhci-command", 4, static (world, step) => Command(world, step), _guest, _device, new NumberParameter("TYPE", 63, 9, 10, 11, 12, 13, 14, 15, 16, 17, 21), new NumberParameter("SLOT", 255, 1, 2),
            new PlaceParameter("POINTER", PlaceKind.Mapping, PlaceKind.Mapping, PlaceKind.Gone, PlaceKind.Frame, PlaceKind.Vmm, PlaceKind.Own, PlaceKind.Number)),
        new("xhci-doorbell", 4, static (world, step) => Doorbell(world, step), _guest, _device, new NumberParameter("SLOT", 255, 0, 1, 2, 3), new NumberParameter("TARGET", 255, 0, 1, 2, 3)),
    ];

    private static void Wake(IsolationWorld world, WorldGuest guest, WorldDevice device)
    {
        ulong region = EhciSteps.DeviceAddressOf(device, 0);
        Operate(world, guest, device, XhciOperationalOffsets.Command, new XhciCommand { Reset = true }.Raw.Value);
        world.Host.Loop.RunFor(MicroframeNs);
        Operate(world, guest, device, XhciOperationalOffsets.Configure, 8);
        Operate(world, guest, device, XhciOperationalOffsets.ContextArray, region, 8);
        Operate(world, guest, device, XhciOperationalOffsets.CommandRing, (region + Page) | 1, 8);
        Interrupter(world, guest, device, XhciRuntimeOffsets.TableSize, 1);
        Interrupter(world, guest, device, XhciRuntimeOffsets.Dequeue, region + (2 * Page), 8);
        Interrupter(world, guest, device, XhciRuntimeOffsets.TableBase, region + SegmentTable, 8);
        Interrupter(world, guest, device, XhciRuntimeOffsets.Management, 2);
        for (int port = 0; port < 4; port++)
            Operate(world, guest, device, XhciOperationalOffsets.FirstPort + (port * XhciOperationalOffsets.PortStride), new XhciPortStatusControl { Power = true, Reset = true }.Raw.Value);
        world.Host.Loop.RunFor(60_000_000);
        Operate(world, guest, device, XhciOperationalOffsets.Command, new XhciCommand { Run = true, InterruptEnable = true }.Raw.Value);
        world.Host.Loop.RunFor(MicroframeNs);
    }

    private static void Fill(IsolationWorld world, StepArguments step)
    {
        (WorldGuest guest, WorldDevice device) = (step.Guest(0), step.Device(1));
        int bytes = Math.Min(RegionBytes, guest.Pages * Page);
        if (bytes < 9 * Page)
            return;
        XhciHostileMemory contents = new(new((int)step[2]), (uint)EhciSteps.DeviceAddressOf(device, 0), bytes, ContextStride);
        GuestSteps.Write(world, guest, 0, MemoryMarshal.Cast<byte, uint>(contents.Fill().AsSpan()));
        Ring(world, guest, device, 0, 0);
        world.Host.Loop.RunFor(4 * MicroframeNs);
    }

    // At the start of the command ring, which begins again there.
    private static void Command(IsolationWorld world, StepArguments step)
    {
        (WorldGuest guest, WorldDevice device) = (step.Guest(0), step.Device(1));
        ulong pointer = step.Address(4, guest, device) & ~0xFul;
        uint control = 1u | ((uint)step[2] << 10) | ((uint)step[3] << 24);
        GuestSteps.Write(world, guest, Page, [(uint)pointer, (uint)(pointer >> 32), 0, control, 0, 0, 0, 0]);
        Operate(world, guest, device, XhciOperationalOffsets.CommandRing, (EhciSteps.DeviceAddressOf(device, 0) + Page) | 1, 8);
        Ring(world, guest, device, 0, 0);
        world.Host.Loop.RunFor(MicroframeNs);
    }

    private static void Doorbell(IsolationWorld world, StepArguments step)
    {
        Ring(world, step.Guest(0), step.Device(1), (int)step[2], (uint)step[3]);
        world.Host.Loop.RunFor(MicroframeNs);
    }

    private static void Ring(IsolationWorld world, WorldGuest guest, WorldDevice device, int slot, uint target) =>
        Store(world, guest, device, Doorbells + (4 * slot), target, sizeof(uint));

    private static void Operate(IsolationWorld world, WorldGuest guest, WorldDevice device, int register, ulong value, int width = sizeof(uint)) =>
        Store(world, guest, device, Operational + register, value, width);

    private static void Interrupter(IsolationWorld world, WorldGuest guest, WorldDevice device, int register, ulong value, int width = sizeof(uint)) =>
        Store(world, guest, device, Runtime + XhciRuntimeOffsets.FirstInterrupter + register, value, width);

    private static void Store(IsolationWorld world, WorldGuest guest, WorldDevice device, int offset, ulong value, int width) =>
        GuestSteps.Store(world, guest, world.AddressOf(new(PlaceKind.Registers, 0, 0, 0), guest, device) + (ulong)offset, width, value);
}
