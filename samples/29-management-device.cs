#:project ../Vmm/Vmm.csproj
#:project Drivers/Drivers.csproj
#:property PublishAot=false

// Two guests and the host talk by a virtual management device: files, chat, calculation, and statistics that lead the VM
// scheduler. Then a guest tries to get out of its folder. docs/mechanisms/j-management-device.md explains it.
// Run it with: dotnet run samples/29-management-device.cs
using System.Security.Cryptography;
using System.Text;
using Dma.Drivers;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;
using Dma.Vmm;

// 1. A host with two VMs. Each gets a management device, and with it what the host grants: VM 1 a folder, VM 2 none.
using Host host = new(new HostOptions { MemoryBytes = 256 << 20 });
host.Boot();
MemoryFolder folder = new();
folder.Put("motd.txt", "Hello from the host."u8);
ManagementCore core = new(host);
VirtualMachine vm1 = host.CreateMachine("VM 1", 4 << 20);
VirtualMachine vm2 = host.CreateMachine("VM 2", 4 << 20);
core.Plug(vm1, place: 4, new() { Folder = folder, QuotaBytes = 200_000 });
core.Plug(vm2, place: 4, new());
ShareScheduler scheduler = new(host.Cpu.Processor, quantumNs: 100_000) { Statistics = core };
host.Loop.Run(Play);

async Task<ManagementDriver> Begin(VirtualMachine vm)
{
    IdentityDmaSpace memory = new(vm.Cpu, new(new GuestPhysicalAddress(1 << 20), 2 << 20));
    PciDevice device = PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), new SourceId(0, 4, 0), memory, vector: 0x40);
    return await ManagementDriver.Start(device, ManagementModes.All);
}

async Task Play()
{
    ManagementDriver first = await Begin(vm1), second = await Begin(vm2);

    // 2. Files: read what the host put there, write 100,000 bytes, find the folder's edge and the quota's.
    ManagementFiles files = new(first);
    Console.WriteLine($"motd.txt: {Encoding.UTF8.GetString((await files.Download("motd.txt")).Bytes.Span)}");
    byte[] data = new byte[100_000];
    host.RandomFor("a file").NextBytes(data);
    Console.WriteLine($"100,000 bytes: {await files.Upload("data.bin", data)}, the same: {folder.Get("data.bin")!.SequenceEqual(data)}");
    foreach (string name in (string[])["../etc/passwd", "motd.txt\0.jpg", "MOTD.TXT"])
        Console.WriteLine($"  {name.Replace("\0", "\\0")}: {(await files.Download(name)).Result}");
    Console.WriteLine($"  150,000 bytes more: {await files.Upload("more.bin", new byte[150_000])}; VM 2, without a folder: {(await new ManagementFiles(second).Download("motd.txt")).Result}");

    // 3. Chat: VM 2 publishes its name and waits; VM 1 finds it. Who sent a message is the core's word.
    ManagementChat one = new(first), two = new(second);
    await two.Publish("printer");
    uint printer = (await one.Find("printer"))!.Value;
    ulong exits = vm1.Cpu.Processor.Meter[Cost.Exit] + vm2.Cpu.Processor.Meter[Cost.Exit];
    ValueTask<ManagementReply> waiting = two.Receive();
    Task<ManagementReply> forged = first.Execute(new() { Command = ManagementCommand.Send, Destination = printer, ClaimedSource = 77 }, "page 1"u8.ToArray()).AsTask();
    ManagementReply got = await waiting;
    Console.WriteLine($"VM 1 sends and says that it is 77: {(await forged).Result}; VM 2 reads \"{Encoding.UTF8.GetString(got.Output.Span)}\" from {got.Completion.Source}");
    Console.WriteLine($"exits for one message: {vm1.Cpu.Processor.Meter[Cost.Exit] + vm2.Cpu.Processor.Meter[Cost.Exit] - exits}, one doorbell on each side");

    // 4. Calculation by the host.
    Console.WriteLine($"SHA-256 by the host: the same: {(await new ManagementCalculator(first).Sha256(data.AsMemory(0, 65536))).Span.SequenceEqual(SHA256.HashData(data.AsSpan(0, 65536)))}");

    // 5. The core is replaced while a message waits, and nothing is lost.
    Task<ManagementResult> late = one.Send(printer, "page 2"u8.ToArray()).AsTask();
    await first.Processor.Delay(50_000);
    scheduler.Statistics = core = new ManagementCore(host, core.HandOver());
    Console.WriteLine($"after the hand-over: \"{Encoding.UTF8.GetString((await two.Receive()).Output.Span)}\", {await late}");

    // 6. Statistics lead the scheduler: both say that they have much to do, and weigh 3 and 1. Then VM 1 is idle.
    scheduler.Add(vm1, 3);
    scheduler.Add(vm2, 1);
    scheduler.Start();
    ManagementReports says = new(first), says2 = new(second);
    foreach (ulong work in (ulong[])[1_000_000_000, 0])
    {
        await says.Report(new() { WorkNs = work });
        await says2.Report(new() { WorkNs = 1_000_000_000 });
        ulong ran1 = vm1.Schedule.RunTimeNs, ran2 = vm2.Schedule.RunTimeNs;
        await host.Cpu.Processor.Delay(10_000_000);
        Console.WriteLine($"VM 1 reports {work} ns of work; in 10 ms it ran {(vm1.Schedule.RunTimeNs - ran1) / 1000} us, VM 2 {(vm2.Schedule.RunTimeNs - ran2) / 1000} us");
    }

    scheduler.Stop();
}

// It prints:
// motd.txt: Hello from the host.
// 100,000 bytes: Done, the same: True
//   ../etc/passwd: BadName
//   motd.txt\0.jpg: BadName
//   MOTD.TXT: NotFound
//   150,000 bytes more: QuotaExceeded; VM 2, without a folder: NotGranted
// VM 1 sends and says that it is 77: Done; VM 2 reads "page 1" from 1
// exits for one message: 2, one doorbell on each side
// SHA-256 by the host: the same: True
// after the hand-over: "page 2", Done
// VM 1 reports 1000000000 ns of work; in 10 ms it ran 7500 us, VM 2 2500 us
// VM 1 reports 0 ns of work; in 10 ms it ran 0 us, VM 2 10000 us
