#:project ../Vmm/Vmm.csproj
#:project Drivers/Drivers.csproj
#:property PublishAot=false

// A guest reads a keyboard by direct DMA. The controller asks the keyboard every few milliseconds, and writes a report into
// memory of the guest when a key moved; nobody else has anything to do. Run it with: dotnet run samples/02-keyboard.cs
using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

// 1. A host with a remapping unit, an EHCI controller and a keyboard; a VM that gets the controller.
using Host host = new(new HostOptions());
EhciController controller = new(host.Loop);
KeyboardDevice keyboard = new(host.Loop);
controller.Usb.Ports[0].Plug(keyboard);
host.Pci.Add(controller, device: 0x1D);
host.Boot();
VirtualMachine vm = host.CreateMachine("VM 1", 16 << 20);
host.Loop.Run(Play);

async Task Play()
{
    AssignmentResult assigned = await host.AssignmentOf(controller.Source).Assign(vm, new SourceId(0, 4, 0));
    Console.WriteLine($"{controller.Source} goes to {vm}: {assigned.Reason}");
    FrameAllocator frames = new(new GuestPhysicalAddress(1 << 20), 15 << 20);
    SourceId place = new((ushort)(await vm.Cpu.Call(Hypercall.FindDevice)).Value);
    ParavirtualDmaSpace dma = new(vm.Cpu, frames, vm.Cpu, place);
    PciDevice device = PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), place, dma, 0x40);

    // 2. The guest's drivers. The interrupt endpoint says how often it wants to be asked; the driver finds a place for it in
    //    the periodic schedule where no microframe becomes too full.
    EhciDriver ehci = await EhciDriver.Start(device);
    UsbDeviceHandle usb = await UsbDeviceHandle.Enumerate(ehci, port: 1);
    UsbEndpoint endpoint = usb.Configuration.Interfaces[0].Endpoints[0];
    KeyboardDriver keys = await KeyboardDriver.Start(usb);
    Console.WriteLine($"a {usb.Connection.Location.Speed} speed keyboard, asked every {1 << (endpoint.Descriptor.Interval - 1)} microframes");

    // 3. Nobody types for a second. The controller polls by itself; the driver looks whether an interrupt got lost.
    Tally before = Tally.Of(vm, controller, host);
    await device.Processor.Delay(1);
    Console.WriteLine($"a key within a second: {(await keys.Next(timeoutNs: 1_000_000_000))?.Key.ToString() ?? "none"}");
    Tally.Of(vm, controller, host).Print("waiting", before);

    // 4. Somebody types. Each press and each release is a report, by DMA into the guest's memory.
    before = Tally.Of(vm, controller, host);
    keyboard.Type("Hello, VM!\n");
    string text = "";
    for (int events = 0; !text.EndsWith('\n'); events++)
    {
        KeyEvent key = (await keys.Next())!.Value;
        if (events < 4)
            Console.WriteLine($"  {key.Key} {(key.IsDown ? "down" : "up")}, held: {key.Modifiers}");
        if (key.IsDown)
            text += UsLayout.CharacterOf(key.Key, key.Modifiers != KeyModifiers.None) is var character and not '\0' ? character : "";
    }

    Console.WriteLine($"typed: {text.TrimEnd()}");
    Tally.Of(vm, controller, host).Print("typing", before);

    // 5. The other way: lights of the keyboard, by a control transfer.
    await keys.SetLeds(KeyboardLeds.CapsLock | KeyboardLeds.NumLock);
    Console.WriteLine($"lights: {keyboard.Leds}; faults: {host.Faults.Total}");
}

/// <summary>What was counted up to a moment.</summary>
internal sealed record Tally(ulong Exits, ulong Hypercalls, ulong Interrupts, ulong TimeNs)
{
    public static Tally Of(VirtualMachine vm, EhciController controller, Host host) => new(
        vm.Cpu.Processor.Meter[Cost.Exit],
        vm.Cpu.Processor.Meter[Cost.Hypercall],
        host.AssignmentOf(controller.Source).InterruptsForwarded,
        host.Loop.NowNs);

    public void Print(string what, Tally before) => Console.WriteLine(
        $"{what}: {(TimeNs - before.TimeNs) / 1000000} ms, {Interrupts - before.Interrupts} interrupts, {Hypercalls - before.Hypercalls} hypercalls, {Exits - before.Exits} exits");
}

// It prints:
// 00:1d.0 goes to VM 1: done
// a High speed keyboard, asked every 64 microframes
// a key within a second: none
// waiting: 1002 ms, 0 interrupts, 0 hypercalls, 0 exits
//   LeftShift down, held: LeftShift
//   H down, held: LeftShift
//   H up, held: LeftShift
//   LeftShift up, held: None
// typed: Hello, VM!
// typing: 228 ms, 29 interrupts, 0 hypercalls, 29 exits
// lights: NumLock, CapsLock; faults: 0
