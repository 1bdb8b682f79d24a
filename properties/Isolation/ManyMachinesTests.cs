using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

public sealed class ManyMachinesTests
{
    private const int Machines = 200;
    private const ulong MiB = 1 << 20;

    [Fact]
    public void Two_hundred_machines_with_a_device_each_keep_to_themselves()
    {
        List<DmaDevice> devices = [];
        long managed = GC.GetAllocatedBytesForCurrentThread();
        using Host host = MachineFarm.Build(new() { MemoryBytes = 64ul << 30 }, Machines, 256 * MiB, (_, _) =>
        {
            devices.Add(new());
            return devices[^1];
        });
        managed = GC.GetAllocatedBytesForCurrentThread() - managed;
        VirtualMachine[] machines = [.. host.Machines];
        Assert.Equal(Machines, machines.Length);
        Assert.Equal(Machines, machines.SelectMany(vm => vm.Devices).Select(device => device.DomainId).Distinct().Count());
        Assert.True(managed / Machines < 2 * (long)MiB, $"{managed / Machines} managed bytes for each machine");

        // Each maps the same guest page at the same device address, and each device writes its own number there.
        ulong[] addresses = host.Loop.Run(async () =>
        {
            ulong[] found = new ulong[Machines];
            for (int number = 0; number < Machines; number++)
            {
                machines[number].Pci.WriteConfiguration(MachineFarm.GuestPlace, PciOffset.Command, 2, (uint)PciCommand.BusMaster);
                found[number] = (await machines[number].Cpu.Call(Hypercall.MapDma, MachineFarm.GuestPlace.Value, 0x5000, 4096, 3)).Value;
            }

            return found;
        });
        Assert.Single(addresses.Distinct());
        for (int number = 0; number < Machines; number++)
            Assert.Equal(DmaStatus.Success, devices[number].Write(addresses[number], BitConverter.GetBytes(number)));
        for (int number = 0; number < Machines; number++)
            Assert.Equal((ulong)number, machines[number].Cpu.Load(new(0x5000), 4));

        // Half of them end; the others go on.
        ulong free = host.Frames.CountOf(FrameOwner.Free);
        host.Loop.Run(async () =>
        {
            for (int number = 0; number < Machines; number += 2)
                await host.Destroy(machines[number]);
        });
        Assert.True(host.Frames.CountOf(FrameOwner.Free) >= free + (Machines / 2 * 256 * MiB / 4096));
        Assert.Equal((ulong)Machines / 2, host.Frames.Pins);
        for (int number = 0; number < Machines; number++)
        {
            DmaStatus expected = number % 2 == 0 ? DmaStatus.NotMaster : DmaStatus.Success;
            Assert.Equal(expected, devices[number].Write(addresses[number], BitConverter.GetBytes(-number)));
        }
    }
}
