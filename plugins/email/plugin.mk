email_LIBRARIES := libcurl gmime-3.0
