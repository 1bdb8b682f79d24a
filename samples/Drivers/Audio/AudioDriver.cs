using System.Buffers.Binary;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>A speaker or microphone: 16-bit samples over one isochronous endpoint, rate and volume by requests (USB audio 1.0).</summary>
public sealed class AudioDriver
{
    private const int SampleBytes = 2;
    private const ushort Pcm = 1;
    private const byte TypeOne = 1;
    private const ushort RateControl = 0x0100;

    private readonly UsbDeviceHandle _device;
    private readonly UsbInterface _setting;
    private readonly FormatTypeDescriptor _format;
    private readonly byte _controlInterface;
    private readonly byte? _featureUnit;
    private AudioStream? _stream;

    private AudioDriver(UsbDeviceHandle device, UsbInterface setting, byte[] format, UsbInterface? control)
    {
        (_device, _setting) = (device, setting);
        _format = Packed.Read<FormatTypeDescriptor>(format);
        _controlInterface = control?.Descriptor.Number ?? 0;
        _featureUnit = control is null ? null : Find(control, (byte)AudioControlSubtype.FeatureUnit, FeatureUnitDescriptor.Size) is { } unit
            ? Packed.Read<FeatureUnitDescriptor>(unit).Id
            : null;
        Rates = RatesOf(format);
        Endpoint = setting.Endpoints.First(IsStream);
    }

    /// <summary>The endpoint of the stream.</summary>
    public UsbEndpoint Endpoint { get; }

    /// <summary>Whether it records rather than plays.</summary>
    public bool IsRecorder => Endpoint.In;

    /// <summary>Channels.</summary>
    public int Channels => _format.Channels;

    /// <summary>Bytes of a sample of all channels.</summary>
    public int FrameBytes => SampleBytes * Channels;

    /// <summary>Sampling rates that it knows, in hertz.</summary>
    public IReadOnlyList<int> Rates { get; }

    /// <summary>Finds the stream of a device.</summary>
    /// <exception cref="DriverException">It has none that this driver knows.</exception>
    public static AudioDriver Find(UsbDeviceHandle device)
    {
        UsbInterface? control = device.Configuration.Interfaces.FirstOrDefault(face => IsAudio(face, AudioSubclass.Control));
        foreach (UsbInterface face in device.Configuration.Interfaces)
        {
            if (!IsAudio(face, AudioSubclass.Streaming) || !face.Endpoints.Any(IsStream))
                continue;
            byte[]? general = Find(face, (byte)AudioStreamingSubtype.General, AudioStreamingDescriptor.Size);
            byte[]? format = Find(face, (byte)AudioStreamingSubtype.FormatType, FormatTypeDescriptor.Size);
            bool isKnown = general is not null
                && Packed.Read<AudioStreamingDescriptor>(general).FormatTag == Pcm
                && format is not null
                && Packed.Read<FormatTypeDescriptor>(format) is { Format: TypeOne, SubframeBytes: SampleBytes, BitResolution: 8 * SampleBytes, Channels: 1 or 2 }
                && RatesOf(format).Count != 0;
            if (isKnown)
                return new(device, face, format!, control);
        }

        throw new DriverException(DriverFailure.BadDescriptor, "The device has no stream of 16-bit samples.");
    }

    /// <summary>Switches the stream on.</summary>
    /// <param name="rate">One of <see cref="Rates"/>.</param>
    /// <exception cref="DriverException">The device does not take it, or the bus has no time for it.</exception>
    public async ValueTask<AudioStream> Start(int rate)
    {
        if (_stream is not null)
            throw new InvalidOperationException("The stream is on.");
        if (!Rates.Contains(rate))
            throw new DriverException(DriverFailure.RequestRefused, $"The device does not know {rate} Hz.");

        // The other setting has the endpoint; choosing it is where the device claims its share of the bus.
        IUsbIsochronousPipe pipe = await _device.Connection.OpenIsochronous(Endpoint);
        try
        {
            await _device.SetInterface(_setting.Descriptor.Number, _setting.Descriptor.AlternateSetting);
            await Send(RequestRecipient.Endpoint, RateControl, Endpoint.Address, [(byte)rate, (byte)(rate >> 8), (byte)(rate >> 16)], "The rate");
            return _stream = await AudioStream.Open(_device.Controller, pipe, rate, FrameBytes, IsRecorder);
        }
        catch (DriverException)
        {
            await pipe.Close();
            throw;
        }
    }

    /// <summary>Switches the stream off; what is queued is not waited for.</summary>
    /// <exception cref="DriverException">The device does not answer any more; the host's side is closed all the same.</exception>
    public async ValueTask Stop()
    {
        if (_stream is not { } stream)
            return;
        _stream = null;
        await stream.Close();
        await _device.SetInterface(_setting.Descriptor.Number, 0);
    }

    /// <summary>Sets the volume of all channels.</summary>
    /// <param name="decibels">0 leaves samples as they are, -60 is hardly heard; in steps of 1/256.</param>
    /// <exception cref="DriverException">The device has no volume, or does not take it.</exception>
    public async ValueTask SetVolume(double decibels)
    {
        byte[] value = new byte[2];
        BinaryPrimitives.WriteInt16LittleEndian(value, (short)Math.Clamp(Math.Round(decibels * 256), -127 * 256, 127 * 256));
        for (int channel = 1; channel <= Channels; channel++)
            await SetFeature(FeatureControl.Volume, channel, value);
    }

    /// <summary>Mutes all channels, or lets them be heard.</summary>
    /// <exception cref="DriverException">The device cannot, or does not take it.</exception>
    public ValueTask SetMute(bool isMuted) => SetFeature(FeatureControl.Mute, 0, [isMuted ? (byte)1 : (byte)0]);

    private static bool IsAudio(UsbInterface face, AudioSubclass subclass) =>
        face.Descriptor.Class == DeviceClass.Audio && face.Descriptor.Subclass == (byte)subclass;

    private static bool IsStream(UsbEndpoint endpoint) => endpoint.Descriptor is { TransferType: TransferType.Isochronous, Usage: 0 };

    private static byte[]? Find(UsbInterface face, byte subtype, int size) => face.ClassDescriptors.FirstOrDefault(descriptor =>
        descriptor.Length >= size && descriptor[1] == (byte)DescriptorType.ClassInterface && descriptor[2] == subtype);

    // Three bytes each behind the head; a device may say how many and then bring fewer.
    private static List<int> RatesOf(byte[] format)
    {
        int said = Packed.Read<FormatTypeDescriptor>(format).RateCount;
        List<int> rates = [];
        for (int at = FormatTypeDescriptor.Size; rates.Count < said && at + 3 <= format.Length; at += 3)
            rates.Add(format[at] | (format[at + 1] << 8) | (format[at + 2] << 16));
        return [.. rates.Where(rate => rate is > 0 and <= 192_000)];
    }

    private ValueTask SetFeature(FeatureControl control, int channel, byte[] value) => _featureUnit is { } unit
        ? Send(RequestRecipient.Interface, (ushort)(((int)control << 8) | channel), (ushort)((unit << 8) | _controlInterface), value, $"{control}")
        : throw new DriverException(DriverFailure.BadDescriptor, "The device has no feature unit.");

    private async ValueTask Send(RequestRecipient recipient, ushort value, ushort index, byte[] data, string what)
    {
        TransferResult result = await _device.Send(RequestType.Class, recipient, (byte)AudioRequest.SetCurrent, value, index, data);
        if (!result.IsCompleted)
            throw new DriverException(result.Failure, $"{what} ended as {result.Status}.");
    }
}
