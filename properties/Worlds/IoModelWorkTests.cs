using Dma.Drivers;
using Dma.Hal;
using Dma.Iommu;
using Dma.Lab;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Whatever a guest's drivers do, the three models give guest and devices the same.</summary>
public sealed class IoModelWorkTests
{
    private const int Blocks = 256;
    private const int BlockBytes = 512;
    private const int OperationsMax = 12;

    private static Arbitrary<Operation[]> Programs => Generate.Program(
        from kind in Gen.Choose(0, 2)
        from first in Gen.Choose(0, Blocks - 1)
        from count in Gen.Frequency((3, Gen.Choose(1, 8)), (1, Gen.Choose(1, Blocks)))
        from value in Gen.Choose(0, 255)
        select new Operation(kind, first, Math.Min(count, Blocks - first), value),
        OperationsMax);

    [Fact]
    public void Random_work_of_class_drivers_comes_to_the_same_by_every_model_on_every_controller()
    {
        int done = 0;
        Property.Check(
            Programs,
            program =>
            {
                Random random = new(program.Length);
                byte[] content = new byte[Blocks * BlockBytes];
                random.NextBytes(content);
                (string expected, byte[] disk) = Expect(program, content);
                done += program.Length;
                foreach (string controller in UsbControllers.Names)
                {
                    foreach (IoModel model in Enum.GetValues<IoModel>())
                        Assert.Equal((expected, Convert.ToHexString(disk)), Play(program, content, model, controller));
                }
            },
            count: 6);
        Assert.True(done > 12, $"{done} operations show nothing.");
    }

    // A disk is an array, and a keyboard gives back what was typed.
    private static (string Seen, byte[] Disk) Expect(Operation[] program, byte[] content)
    {
        byte[] disk = [.. content];
        List<string> seen = [];
        foreach (Operation step in program)
        {
            Span<byte> part = disk.AsSpan(step.First * BlockBytes, step.Count * BlockBytes);
            if (step.Kind == 0)
                seen.Add(Convert.ToHexString(part));
            else if (step.Kind == 1)
                part.Fill((byte)step.Value);
            else
                seen.Add($"{step.Key}+{step.Key}-");
        }

        return (string.Join('\n', seen), disk);
    }

    private static (string Seen, string Disk) Play(Operation[] program, byte[] content, IoModel model, string controller)
    {
        byte[] disk = [.. content];
        List<string> seen = [];
        using ModelWorld world = new(model, controller, HardwareProfile.Named("friendly"), seed: 1);
        world.Plug(new MassStorageDevice(new MemoryDiskImage(disk, isWritable: true)));
        KeyboardDevice keyboard = world.Plug(new KeyboardDevice(world.Host.Loop));
        world.Host.Loop.Run(async () =>
        {
            IUsbHostController usb = await world.Start();
            MassStorageDriver storage = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(usb, port: 1));
            KeyboardDriver keys = await KeyboardDriver.Start(await UsbDeviceHandle.Enumerate(usb, port: 2));
            foreach (Operation step in program)
                await Do(step, usb, storage, (keyboard, keys), seen);
        });
        Assert.Equal(0ul, world.Host.Faults.Total);
        return (string.Join('\n', seen), Convert.ToHexString(disk));
    }

    private static async Task Do(Operation step, IUsbHostController usb, MassStorageDriver storage, (KeyboardDevice Device, KeyboardDriver Driver) keys, List<string> seen)
    {
        if (step.Kind == 2)
        {
            Assert.True(keys.Device.Press(step.Key) && keys.Device.Release(step.Key));
            string typed = "";
            for (int events = 0; events < 2; events++)
                typed += await keys.Driver.Next(timeoutNs: 1_000_000_000) is { } key ? $"{key.Key}{(key.IsDown ? '+' : '-')}" : "?";
            seen.Add(typed);
            return;
        }

        MemoryBuffer buffer = usb.Memory.Allocate(step.Count * BlockBytes);
        byte[] bytes = new byte[buffer.Length];
        if (step.Kind == 1)
        {
            bytes.AsSpan().Fill((byte)step.Value);
            buffer.Write(0, bytes);
            await storage.Write((ulong)step.First, buffer);
        }
        else
        {
            await storage.Read((ulong)step.First, buffer);
            buffer.Read(0, bytes);
            seen.Add(Convert.ToHexString(bytes));
        }

        Assert.Equal(DmaRefusal.None, usb.Memory.Free(buffer));
    }

    private readonly record struct Operation(int Kind, int First, int Count, int Value)
    {
        public KeyUsage Key => (KeyUsage)((int)KeyUsage.A + (Value % 26));
    }
}
