using System.Buffers.Binary;
using Dma.Iommu;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What stands between the virtual functions of a VM and its memory: its remapping unit if it has one, EPT, and its interrupts.</summary>
/// <param name="machine">The VM.</param>
internal sealed class GuestFabric(VirtualMachine machine) : IDmaFabric
{
    /// <inheritdoc/>
    public IDmaPort Open(SourceId source) => new Port(machine, source);

    private sealed class Port(VirtualMachine machine, SourceId source) : IDmaPort
    {
        private RemappedPort? _remapped;

        public SourceId Source => source;

        private RemappedPort? Remapped => _remapped ??= machine.Iommu?.Unit.Open(source);

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
        {
            if (Remapped is { } remapped)
                return remapped.Read(address, destination, attributes);
            for (int done = 0; done < destination.Length;)
            {
                int step = PageStep(address, done, destination.Length);
                if (!machine.Cpu.TryRead(new(address.Value + (ulong)done), destination.Slice(done, step)))
                    return DmaStatus.Unclaimed;
                done += step;
            }

            return DmaStatus.Success;
        }

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
        {
            if (Remapped is { } remapped)
                return remapped.Write(address, source, attributes);
            if (InterruptRange.Contains(address.Value))
                return WriteInterrupt(address, source);
            for (int done = 0; done < source.Length;)
            {
                int step = PageStep(address, done, source.Length);
                if (!machine.Cpu.TryWrite(new(address.Value + (ulong)done), source.Slice(done, step)))
                    return DmaStatus.Unclaimed;
                done += step;
            }

            return DmaStatus.Success;
        }

        private static int PageStep(Iova address, int done, int length) =>
            Math.Min(length - done, 4096 - (int)((address.Value + (ulong)done) & 0xFFF));

        private DmaStatus WriteInterrupt(Iova address, ReadOnlySpan<byte> source)
        {
            if (source.Length != sizeof(uint) || (address.Value & 3) != 0)
                return DmaStatus.Unclaimed;
            machine.Inject(new(address.Value, BinaryPrimitives.ReadUInt32LittleEndian(source)));
            return DmaStatus.Success;
        }
    }
}
