using Dma.Drivers;
using Dma.Hal;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Bulk data of a modelled EHCI controller goes straight to pages of the guest: no byte is lost or copied, and the guest has a page back before it is told so.</summary>
public sealed class ZeroCopyTests
{
    private const int Programs = 30;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Whatever_a_guest_moves_and_calls_off_no_byte_is_lost_and_none_comes_when_it_has_its_memory_back(bool isZeroCopy)
    {
        int calledOff = 0;
        int held = 0;
        Property.Check(
            Steps(),
            program =>
            {
                using Bench bench = new(isZeroCopy, program.Seed);
                bench.Play(program.Steps);
                (calledOff, held) = (calledOff + bench.CalledOff, held + bench.Held);
            },
            Programs);
        Assert.True(calledOff > Programs / 2, $"{calledOff} were called off.");
        Assert.Equal(isZeroCopy, held > 0);
    }

    [Fact]
    public void A_controller_that_does_not_wait_for_those_who_use_memory_for_it_is_found()
    {
        int broken = 0;
        Property.Check(
            Steps(),
            program =>
            {
                using Bench bench = new(isZeroCopy: true, program.Seed) { IsHasty = true };
                broken += Record.Exception(() => bench.Play(program.Steps)) is null ? 0 : 1;
            },
            Programs / 3);
        Assert.True(broken > 0);
    }

    private static Gen<(Step[] Steps, int Seed)> Steps() =>
        from steps in (
            from isIn in Gen.Elements(true, false)
            from packets in Gen.Choose(1, 60)
            from offset in Gen.Elements(0, 0, 512, 100)
            from patienceUs in Gen.Frequency((2, Gen.Choose(100, 6_000)), (1, Gen.Constant(1_000_000)))
            from moves in Gen.Elements(false, true)
            select new Step(isIn, packets, offset, (ulong)patienceUs * 1000, moves)).ArrayOf(12)
        from seed in Gen.Choose(0, int.MaxValue - 1)
        select (steps, seed);

    /// <summary>A transfer.</summary>
    /// <param name="IsIn">Whether the device sends.</param>
    /// <param name="Packets">How many packets of 512 bytes.</param>
    /// <param name="Offset">Where in its page it begins.</param>
    /// <param name="PatienceNs">After which time it is called off.</param>
    /// <param name="MovesPage">Whether the VMM wants a page of it meanwhile.</param>
    private sealed record Step(bool IsIn, int Packets, int Offset, ulong PatienceNs, bool MovesPage);

    /// <summary>A host with a river, a VM that has it by a modelled controller, and its ordinary driver.</summary>
    private sealed class Bench : IDisposable
    {
        private const ulong MiB = 1 << 20;
        private const byte Canary = 0xEE;
        private static readonly SourceId s_place = new(0, 4, 0);

        private readonly bool _isZeroCopy;
        private readonly Host _host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 32 * MiB });
        private readonly EhciController _controller;
        private readonly EhciController _modelled;
        private readonly RiverDevice _river;
        private readonly VirtualMachine _vm;
        private readonly Random _random;
        private readonly List<(byte Value, int Told, int Length)> _given = [];
        private long _received;

        public Bench(bool isZeroCopy, int seed)
        {
            (_isZeroCopy, _random) = (isZeroCopy, new(seed));
            (_controller, _modelled, _river) = (new(_host.Loop), new(_host.Loop), new(_host.Loop, seed));
            _controller.Usb.Ports[0].Plug(_river);
            _host.Pci.Add(_controller, 0x1D);
            _host.Boot();
            _vm = _host.CreateMachine("VM 1", 8 * MiB);
        }

        /// <summary>Whether the controller does not wait for those who use memory for it.</summary>
        public bool IsHasty { get; init; }

        /// <summary>How many transfers were called off.</summary>
        public int CalledOff { get; private set; }

        /// <summary>How often the VMM could not have a page since a device used it.</summary>
        public int Held { get; private set; }

        public void Dispose() => _host.Dispose();

        public void Play(IReadOnlyList<Step> steps) => _host.Loop.Run(async () =>
        {
            HostUsbStack stack = new(_host, _controller.Source);
            await stack.Start();
            UserLevelMonitor monitor = new(_vm, new() { IsZeroCopy = _isZeroCopy });
            EmulatedUsbController emulated = new(_vm, _modelled, s_place, monitor: monitor);
            HostUsbDevice device = new(stack, port: 1);
            Assert.True(await device.LogIn() && await new UsbDeviceAssignment(device).Assign(emulated));
            IdentityDmaSpace memory = new(_vm.Cpu, new(new(MiB), 7 * MiB));
            IUsbHostController usb = await UsbHostControllers.Start(PciDevice.Open(_vm.Cpu, new PciConfigurationPorts(_vm.Cpu), s_place, memory, 0x41));
            UsbDeviceHandle handle = await UsbDeviceHandle.Enumerate(usb, port: 1);
            UsbEndpoint[] endpoints = [.. handle.Configuration.Interfaces[0].Endpoints];
            IUsbPipe[] pipes = [await handle.Open(endpoints[0]), await handle.Open(endpoints[1])];
            MemoryBuffer buffer = memory.Allocate(40 * 1024);
            foreach (Step step in steps)
                await Take(step, memory, pipes[step.IsIn ? 0 : 1], buffer.Slice(step.Offset, step.Packets * RiverDevice.PacketBytes));
            await _host.Destroy(_vm);
            Assert.Equal((0ul, 0, 0ul), (_host.Frames.Pins, _modelled.Usb.Leaving, _host.Faults.Total));
            CheckGiven();
        });

        private async Task Take(Step step, IdentityDmaSpace memory, IUsbPipe pipe, MemoryBuffer buffer)
        {
            byte[] data = new byte[buffer.Length];
            byte value = (byte)_given.Count;
            data.AsSpan().Fill(step.IsIn ? Canary : value);
            buffer.Write(0, data);
            DmaMapResult mapped = await memory.Map(buffer, step.IsIn ? DmaDirection.FromDevice : DmaDirection.ToDevice);
            Task<TransferResult> moving = pipe.Transfer(mapped.Mapping, step.PatienceNs).AsTask();
            while (!moving.IsCompleted)
            {
                if (IsHasty)
                    _modelled.Usb.Leaving = 0;
                if (step.MovesPage && _vm.PinnedPages != 0 && await _vm.Mover.Move(buffer.Address) == PageRefusal.Pinned)
                    Held++;
                await _host.Loop.Delay((ulong)_random.Next(1, 200_000));
            }

            TransferResult result = await moving;
            CalledOff += result.Status == TransferStatus.TimedOut ? 1 : 0;
            Assert.Contains(result.Status, (TransferStatus[])[TransferStatus.Completed, TransferStatus.TimedOut]);

            // The guest has its memory back: nobody reaches it any more, and a page can go.
            Assert.Equal(0ul, _vm.PinnedPages);
            buffer.Read(0, data);
            if (!step.IsIn)
                _given.Add((value, result.Bytes, data.Length));
            for (int index = 0; step.IsIn && index < result.Bytes; index++)
                Assert.True(data[index] == RiverDevice.At(_received + index), $"Byte {_received + index} of the river is not what it was.");
            _received += step.IsIn ? result.Bytes : 0;
            data.AsSpan().Fill(Canary);
            buffer.Write(0, data);
            await _host.Loop.Delay((ulong)_random.Next(2_000_000));
            buffer.Read(0, data);
            Assert.False(data.AsSpan().ContainsAnyExcept(Canary), "Something came late.");
            Assert.Equal(PageRefusal.None, await _vm.Mover.Move(buffer.Address));
        }

        // What the device was sent is of each transfer a beginning, in order, and no less than the guest was told; packets that are
        // copied are taken before the device has them, and those of a transfer that is called off then go nowhere.
        private void CheckGiven()
        {
            int next = 0;
            foreach ((byte value, int told, int length) in _given)
            {
                int came = next < _river.Received.Count && _river.Received[next].Value == value ? _river.Received[next++].Bytes : 0;
                Assert.InRange(came, _isZeroCopy ? told : 0, length);
            }

            Assert.Equal(_river.Received.Count, next);
        }
    }
}
