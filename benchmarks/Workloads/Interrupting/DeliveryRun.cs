using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Workloads;

/// <summary>The same interrupts into a guest by each way of delivery: exits, notifications, and virtual time.</summary>
public static class DeliveryRun
{
    private const ulong MiB = 1 << 20;
    private const byte FirstVector = 0x41;

    // A vector in each class, so that several of a burst are of different priority.
    private const int VectorStep = 0x10;

    private static readonly InterruptDelivery[] s_ways = [InterruptDelivery.Emulated, InterruptDelivery.Remapped, InterruptDelivery.Posted];

    /// <summary>How many lines <see cref="Measure"/> gives.</summary>
    public static int Count => s_ways.Length * DeliveryLoad.All.Count;

    /// <summary>One line for each load and way; the baseline of each is emulation.</summary>
    public static IEnumerable<Measurement> Measure()
    {
        foreach (DeliveryLoad load in DeliveryLoad.All)
        {
            double emulatedNs = 0;
            foreach (InterruptDelivery way in s_ways)
            {
                DeliveryResult result = Of(way, load);
                double ns = (double)result.TakenNs / load.Interrupts;
                emulatedNs = way == InterruptDelivery.Emulated ? ns : emulatedNs;
                yield return new($"interrupt into a guest, {Name(way)}", load.Name, ns, emulatedNs, ns / emulatedNs, 0)
                {
                    Exits = (double)result.Exits / load.Interrupts,
                    Notifications = (double)result.Notifications / load.Interrupts,
                };
            }
        }
    }

    /// <summary>Runs a load once, on a host of its own.</summary>
    /// <param name="delivery">How the interrupts get into the guest.</param>
    /// <param name="load">When they are raised.</param>
    /// <param name="options">The host; null for the default one.</param>
    /// <exception cref="InvalidOperationException">The host cannot deliver interrupts in that way; the text says why.</exception>
    public static DeliveryResult Of(InterruptDelivery delivery, DeliveryLoad load, HostOptions? options = null)
    {
        using Host host = new((options ?? new HostOptions()) with { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB, Delivery = delivery });
        BenchDevice[] devices = [.. Enumerable.Range(0, load.Devices).Select(_ => new BenchDevice())];
        for (int number = 0; number < devices.Length; number++)
            host.Pci.Add(devices[number], number + 1);
        host.Boot();
        return host.Loop.Run(() => Run(host, devices, load));
    }

    private static async Task<DeliveryResult> Run(Host host, BenchDevice[] devices, DeliveryLoad load)
    {
        VirtualMachine machine = host.CreateMachine("guest", 2 * MiB);
        Signal[] signals = new Signal[devices.Length];
        for (int number = 0; number < devices.Length; number++)
        {
            SourceId place = new(0, number + 1, 0);
            AssignmentResult assigned = await host.AssignmentOf(devices[number].Source).Assign(machine, place);
            if (!assigned.IsDone)
                throw new InvalidOperationException(assigned.Reason);
            byte vector = (byte)(FirstVector + (VectorStep * number));
            signals[number] = machine.Cpu.Vector(vector);
            IdentityDmaSpace dma = new(machine.Cpu, new(new(MiB), MiB));
            _ = PciDevice.Open(machine.Cpu, new PciConfigurationPorts(machine.Cpu), place, dma, vector);
        }

        // The guest has set its devices up, and the entries have followed.
        await machine.Cpu.Processor.Delay(load.GapNs);
        Meter before = Copy(machine.Cpu.Processor.Meter);
        ulong[] raised = [.. signals.Select(signal => signal.Raised)];
        for (int moment = 0; moment < load.Interrupts / load.AtOnce; moment++)
        {
            for (int number = 0; number < load.AtOnce; number++)
                devices[(moment + number) % devices.Length].Raise();
            await host.Cpu.Processor.Delay(load.GapNs);
        }

        return Result(host, machine, load, before, signals.Zip(raised, (signal, was) => signal.Raised - was).Aggregate(0ul, (sum, more) => sum + more));
    }

    private static DeliveryResult Result(Host host, VirtualMachine machine, DeliveryLoad load, Meter before, ulong handled)
    {
        Meter after = machine.Cpu.Processor.Meter;
        ulong takenNs = 0;
        foreach (Cost cost in Enum.GetValues<Cost>())
            takenNs += host.Options.Costs.Nanoseconds(cost, after[cost] - before[cost]);
        return new(
            machine.Delivery,
            load,
            handled,
            after[Cost.Exit] - before[Cost.Exit],
            after[Cost.Notification] - before[Cost.Notification],
            takenNs);
    }

    private static Meter Copy(Meter meter)
    {
        Meter copy = new();
        foreach (Cost cost in Enum.GetValues<Cost>())
            copy.Add(cost, meter[cost]);
        return copy;
    }

    private static string Name(InterruptDelivery delivery) => delivery switch
    {
        InterruptDelivery.Emulated => "emulated",
        InterruptDelivery.Remapped => "remapped",
        _ => "posted",
    };
}
