using Dma.Hal;
using Dma.Lab;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Looks at every request of the controller: where it leads, and whether that page is the service VM's or granted at this moment.</summary>
internal sealed class ReachWatch
{
    /// <summary>The computer, once there is one.</summary>
    public ServiceMachine? Machine { get; set; }

    /// <summary>Requests that led into memory of a VM that did not grant it.</summary>
    public List<string> Wrongs { get; } = [];

    /// <summary>Stands before the remapping unit.</summary>
    public IDmaFabric Watch(IDmaFabric inner) => new Fabric(this, inner);

    private void Look(Iova address, int length)
    {
        if (Machine is not { } machine || machine.Controller.Domain is not { } domain || InterruptRange.Contains(address.Value))
            return;
        for (ulong at = address.Value & ~0xFFFul; at < address.Value + (ulong)length; at += 4096)
        {
            // U1 and E2: memory of a guest is reached while its page is pinned for that, and never otherwise.
            if (domain.TryFind(new(at), out RemappingLeaf leaf) && IsOthers(machine, leaf.Target.Value, out VirtualMachine? owner)
                && machine.Host.Frames.PinsOf(new(leaf.Target.Value & ~0xFFFul)) == 0)
            {
                Wrongs.Add($"{address} leads into {owner}, which granted nothing.");
            }
        }
    }

    private static bool IsOthers(ServiceMachine machine, ulong target, out VirtualMachine? owner)
    {
        owner = machine.Guests.FirstOrDefault(guest => guest.IsRunning && machine.Host.Frames.OwnerOf(new(target & ~0xFFFul)) == guest.Owner);
        return owner is not null;
    }

    private sealed class Fabric(ReachWatch watch, IDmaFabric inner) : IDmaFabric
    {
        public IDmaPort Open(SourceId source) => new Port(watch, inner.Open(source));

        public void Connect(SourceId source, IDeviceTlb? deviceTlb) => inner.Connect(source, deviceTlb);
    }

    private sealed class Port(ReachWatch watch, IDmaPort inner) : IDmaPort
    {
        public SourceId Source => inner.Source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
        {
            watch.Look(address, destination.Length);
            return inner.Read(address, destination, attributes);
        }

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
        {
            watch.Look(address, source.Length);
            return inner.Write(address, source, attributes);
        }
    }
}
