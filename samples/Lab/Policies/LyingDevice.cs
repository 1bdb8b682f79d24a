using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A device that does not stop at the unmap: how long it gets through, and how far it reaches.</summary>
/// <remarks>
/// <code>
///   Map ── the device writes once ── Unmap returns ── it writes again, and again ── refused
///          (so the unit knows the page)   │◀──────────── the window ──────────▶│
/// </code>
/// </remarks>
/// <param name="host">The host.</param>
/// <param name="machine">The VM that has it.</param>
/// <param name="port">Its way to memory.</param>
/// <param name="dma">The DMA API of the guest.</param>
internal sealed class LyingDevice(Host host, VirtualMachine machine, RemappedPort port, IDmaSpace dma)
{
    private const byte Honest = 0xDD;
    private const byte Late = 0xEE;
    private const ulong StepNsMin = 100;
    private const ulong StepsPerBound = 20_000;
    private const ulong PauseNsMax = 2_000_000;

    /// <summary>Attacks again and again, at moments that come from the seed, until it finds that nothing ever stops it.</summary>
    /// <param name="options">How often, and how long a device may get through.</param>
    public async ValueTask<PolicyAttack> Attack(PolicyComparisonOptions options)
    {
        Random random = host.RandomFor("moments of attacks");
        ulong stepNs = Math.Max(StepNsMin, options.WaitingNsMax / StepsPerBound);
        ulong patienceNs = (2 * options.WaitingNsMax) + 10_000_000;
        MemoryBuffer buffer = dma.Allocate(FrameAllocator.FrameSize);
        ulong longestNs = 0;
        int hits = 0, attacks = 0;
        bool isClosed = true;
        while (attacks < options.Attacks && isClosed)
        {
            attacks++;
            await host.Loop.Delay((ulong)random.NextInt64((long)PauseNsMax));
            ulong windowNs = await Attack(buffer, stepNs, patienceNs);
            isClosed = windowNs < patienceNs;
            longestNs = Math.Max(longestNs, windowNs);
            byte[] found = new byte[1];
            buffer.Read(0, found);
            hits += found[0] == Late ? 1 : 0;
        }

        _ = dma.Free(buffer);
        return new(attacks, hits, isClosed ? longestNs : null, stepNs);
    }

    /// <summary>How far it gets with nothing mapped for it: addresses of its guest and of the machine, tried one after the other.</summary>
    /// <param name="other">Another VM.</param>
    public PolicyReach FindReach(VirtualMachine other)
    {
        MemoryBuffer secret = dma.Allocate(FrameAllocator.FrameSize);
        PolicyReach reach = Reaches(other, new(0x1000), Frame(other, new(0x1000))) ? PolicyReach.Host
            : Reaches(machine, secret.Address, Frame(machine, secret.Address)) || Reaches(machine, secret.Address, secret.Address.Value) ? PolicyReach.Machine
            : PolicyReach.Mapped;
        _ = dma.Free(secret);
        return reach;
    }

    private static ulong Frame(VirtualMachine owner, GuestPhysicalAddress page) => owner.Memory.Tables.Walk(page, EptRights.Read).Address.Value;

    private async ValueTask<ulong> Attack(MemoryBuffer buffer, ulong stepNs, ulong patienceNs)
    {
        buffer.Write(0, [0]);
        DmaMapResult mapped = await dma.Map(buffer, DmaDirection.FromDevice);
        if (!mapped.IsMapped || port.Write(mapped.Mapping.DeviceAddress, [Honest]) != DmaStatus.Success)
            throw new InvalidOperationException($"A page that is mapped cannot be reached: {mapped.Refusal}.");
        DmaRefusal refusal = await dma.Unmap(mapped.Mapping);
        if (refusal != DmaRefusal.None)
            throw new InvalidOperationException($"A page that is mapped cannot be unmapped: {refusal}.");
        ulong unmappedNs = host.Loop.NowNs;
        while (host.Loop.NowNs - unmappedNs < patienceNs && port.Write(mapped.Mapping.DeviceAddress, [Late]) == DmaStatus.Success)
            await host.Loop.Delay(stepNs);
        return Math.Min(host.Loop.NowNs - unmappedNs, patienceNs);
    }

    private bool Reaches(VirtualMachine owner, GuestPhysicalAddress page, ulong deviceAddress)
    {
        byte[] before = new byte[1], after = new byte[1];
        _ = owner.Cpu.TryRead(page, before);
        _ = port.Write(new(deviceAddress), [(byte)~before[0]]);
        _ = owner.Cpu.TryRead(page, after);
        _ = owner.Cpu.TryWrite(page, before);
        return after[0] != before[0];
    }
}
